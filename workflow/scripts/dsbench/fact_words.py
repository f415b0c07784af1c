"""Toolchain facts in words, and what of a fact changed."""

import re

HASH = re.compile(r"[0-9a-f]{64}")
SHOWN_DIGITS = 12


def fact_change(before: object, now: object) -> tuple[str, str]:
    """Return both values in words, of a fact with several parts those that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        same = {key for key in before.keys() & now.keys() if before[key] == now[key]}
        before, now = ({k: v for k, v in each.items() if k not in same} for each in (before, now))
    return fact_words(before), fact_words(now)


def fact_words(value: object) -> str:
    """Return a fact without JSON's marks, hashes cut short; None as "absent"."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {fact_words(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(map(fact_words, value)) or "none"
    text = "absent" if value is None else str(value)
    return text[:SHOWN_DIGITS] if HASH.fullmatch(text) else text
