"""The numbers that name files."""
