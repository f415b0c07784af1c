"""A seeded renderer of street scenes with exact boxes."""
