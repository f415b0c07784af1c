"""Errors, whole files, records, hashes, processes, secret words: what every package may use."""
