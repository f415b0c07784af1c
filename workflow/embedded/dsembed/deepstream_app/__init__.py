"""The embedded deepstream-app."""
