"""How `trailhound reconcile` shows a finding on a terminal."""

from __future__ import annotations

import io
import shlex

import pytest

from ingest.reconcile.findings import ReconcileFinding, ReconcileFindingKind, Repair, Summary
from trailhound.cli import reconcile, screen

NAME = "s3://a-bucket/AWSLogs/" + "a-long-folder/" * 8 + "it's a file.json.gz"


@pytest.mark.parametrize(
    ("kind", "repairs"),
    [
        (ReconcileFindingKind.PARTIAL, (Repair.READ_AGAIN, Repair.RETRY)),
        (ReconcileFindingKind.LOST, ()),
    ],
)
def test_a_finding_names_its_object_once_and_is_folded(
    monkeypatch: pytest.MonkeyPatch, kind: ReconcileFindingKind, repairs: tuple[Repair, ...]
) -> None:
    file = io.StringIO()
    terminal = screen.Screen(file=file, highlight=False, soft_wrap=True, width=80)
    monkeypatch.setattr(screen, "out", terminal)
    monkeypatch.setattr(reconcile, "out", terminal)
    detail = "some of its events are in no index, " * 6
    finding = ReconcileFinding(kind=kind, object=NAME, detail=detail, repairs=repairs)
    reconcile._show_finding(finding, reconcile.RepairCommands("s3://a-bucket/", " --namespace own"))
    shown = file.getvalue()
    assert shown.count("a-long-folder/" * 8) == 1
    assert all(len(line) <= 80 for line in shown.splitlines() if "a-long-folder" not in line)
    if repairs:
        first, last = (part.replace("\\\n", "") for part in shown.split("repair: ")[1:])
        assert shlex.split(first) == [
            "trailhound", "backfill", "--force", NAME, "--namespace", "own",
        ]  # fmt: skip
        assert shlex.split(last) == ["trailhound", "retry-deadletters", "--namespace", "own"]


def test_a_file_that_was_deleted_is_noted_only_if_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = io.StringIO()
    terminal = screen.Screen(file=file, highlight=False, soft_wrap=True, width=80)
    monkeypatch.setattr(screen, "out", terminal)
    monkeypatch.setattr(reconcile, "out", terminal)
    gone = ReconcileFinding(
        kind=ReconcileFindingKind.EXTRA, object=NAME, detail="gone", repairs=(Repair.NOTE_GONE,)
    )
    reconcile._show_finding(gone, reconcile.RepairCommands("s3://a-bucket/", ""))
    assert "  if it was meant to go: trailhound ledger gone \\" in file.getvalue()
    assert "repair" not in file.getvalue()


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        ({"extra": 2}, ["2 extra objects read before"]),
        ({"missing": 1}, ["to repair all of it: again --repair"]),
        (
            {"extra": 1, "missing": 1},
            [
                "1 extra object read before",
                "to repair the others: again --repair, which also notes 1 ",
            ],
        ),
    ],
)
def test_the_advice_tells_repairs_from_what_was_deleted(
    found: dict[str, int], wanted: list[str]
) -> None:
    summary = Summary()
    summary.found.update({ReconcileFindingKind(kind): number for kind, number in found.items()})
    said = reconcile._advice(summary, "again --repair")
    assert [line[: len(begin)] for line, begin in zip(said, wanted, strict=True)] == wanted
    if "missing" not in found:
        assert said[0].endswith("or all at once: again --repair")
