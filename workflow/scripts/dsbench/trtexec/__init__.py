"""The engine: its command, its logs, its passport, its measurement."""
