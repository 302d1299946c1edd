"""`trailhound roi --measured`: the events of the ledger, at list price."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.commands import command
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError


def test_what_the_ledger_counted_stands_beside_the_assumption(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    none = command(settings, "roi", "--measured", "--json")
    assert isinstance(none.exception, UsageError)
    for day, number in (("01", 3), ("02", 5)):
        folder = tmp_path / f"AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/{day}"
        write_trail(folder, [record() for _ in range(number)], "a")
    write_trail(tmp_path / "AWSLogs", [record()], "undated")
    backfill(settings, tmp_path / "AWSLogs")
    done = command(settings, "roi", "--measured", "--json", "--list-price", "100000")
    found = json.loads(done.stdout)
    real = found["measured"]
    assert (real["records"], real["days"], real["events_a_year"]) == (8, 2, 1_460)
    assert (real["undated_objects"], real["undated_records"]) == (1, 1)
    assert found["costs"] == 55_020
    assert real["costs"] == 55_020 - 1_000 + 1_460
    basis = {(each["side"], each["item"]): each["basis"] for each in found["items"]}
    assert basis.pop(("cost", "events")) == "measured"
    assert basis.pop(("costs", "sum")) == basis.pop(("roi", "percent")) == "partly measured"
    assert set(basis.values()) == {"assumed"}
    rows = [line.split("\t") for line in command(settings, "roi", "--measured").stdout.splitlines()]
    assert rows[0][-3:] == ["measured_calculation", "measured_amount", "basis"]
    assert [row[1] for row in rows if row[-1] == "measured"] == ["events"]
