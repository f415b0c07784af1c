"""Errors, whole files, hashes, processes, secret words: what every package may use."""
