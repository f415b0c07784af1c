"""Training of the demonstration detector on rendered street scenes."""
