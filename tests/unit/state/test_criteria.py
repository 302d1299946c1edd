"""By which criteria an object counts as read."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from trailhound.state.criteria import EVERYTHING, MOST_CRITERIA, Criteria, add_criteria

DAYS = ("2025-03-01", "2025-03-02", "2025-03-03")
ACCOUNTS = ("111122223333", "222233334444")
REGIONS = ("eu-west-1", "us-east-1")


def names(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(values)).map(lambda chosen: tuple(sorted(chosen)))


criteria = st.builds(
    Criteria,
    since=st.sampled_from(("", *DAYS)),
    until=st.sampled_from(("", *DAYS)),
    accounts=names(ACCOUNTS),
    regions=names(REGIONS),
    filter=st.sampled_from(("", "one", "two")),
    oldest=st.sampled_from(("", *DAYS)),
)


def chosen(by: Criteria) -> set[tuple[str, ...]]:
    """The records chosen: own day, folder's day, account, region, and the filter that drops it."""
    days = ("2025-02-28", *DAYS, "2025-03-04")

    def within(day: str) -> bool:
        return day >= by.since and (not by.until or day <= by.until)

    return {
        (day, folder, account, region, dropped)
        for day, folder, account, region, dropped in product(
            days, days, ACCOUNTS, REGIONS, ("", "one", "two")
        )
        if (within(day) or within(folder))
        and day >= by.oldest
        and (not by.accounts or account in by.accounts)
        and (not by.regions or region in by.regions)
        and (not by.filter or dropped != by.filter)
    }


@given(criteria, criteria)
def test_what_is_covered_was_chosen(one: Criteria, other: Criteria) -> None:
    if one.covers(other):
        assert chosen(other) <= chosen(one)
    assert one.covers(one)
    assert EVERYTHING.covers(one)


@given(st.lists(criteria, max_size=8), criteria)
def test_what_is_kept_claims_no_more_than_what_was_read(
    read: list[Criteria], wanted: Criteria
) -> None:
    kept: tuple[Criteria, ...] = ()
    for each in read:
        kept = add_criteria(kept, each)
        assert any(known.covers(each) for known in kept)
    assert len(kept) <= MOST_CRITERIA
    if any(each.covers(wanted) for each in kept):
        assert chosen(wanted) <= set[tuple[str, ...]]().union(*map(chosen, read))
