"""The columns of `trailhound events`, from an event as a product returns it."""

from __future__ import annotations

from itertools import permutations

from trailhound.cli.events import LISTING


def test_resources_are_in_one_order_whatever_the_product_returns() -> None:
    """Fields of a hit are in another order on OpenSearch than on Elasticsearch."""
    leaves = {"user": ["ada"], "access_key": ["AKIAEXAMPLE"], "arn": ["arn:aws:iam::1:user/ada"]}
    (column,) = (each for each in LISTING.columns if each.name == "resource")
    orders = map(dict, permutations(leaves.items()))
    found = {tuple(column.value({"resource": order})) for order in orders}
    assert found == {("AKIAEXAMPLE", "ada", "arn:aws:iam::1:user/ada")}
