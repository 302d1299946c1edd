"""Numbers with their noun, in the singular or plural: the one place that decides which."""

from __future__ import annotations


def plural(number: int, one: str, many: str = "") -> str:
    """A number and its noun. `many`: its plural, by default with an `s`.

    >>> plural(1, "event"), plural(2000, "event"), plural(2, "country", "countries")
    ('1 event', '2,000 events', '2 countries')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def part_of(number: int, total: int, one: str) -> str:
    """So many of all, with their noun.

    >>> part_of(2, 7, "alert"), part_of(7, 7, "alert"), part_of(1, 1, "alert")
    ('2 of 7 alerts', 'all 7 alerts', '1 alert')
    """
    if number != total:
        return f"{number:,} of {plural(total, one)}"
    return f"all {plural(total, one)}" if total > 1 else plural(total, one)
