"""What runs inside the export environment, by its own Python."""
