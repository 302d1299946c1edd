"""A number with its noun, in the singular or plural: the one place that decides which."""

from __future__ import annotations


def plural(number: int, one: str, many: str = "") -> str:
    """A number and its noun. `many`: its plural, by default with an `s`.

    >>> plural(1, "event"), plural(2000, "event"), plural(2, "country", "countries")
    ('1 event', '2,000 events', '2 countries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"
