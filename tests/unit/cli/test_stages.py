"""Progress: lines in a pipe with what is done, the rate and the time left; none for quick work."""

from __future__ import annotations

import io
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from ingest.backfill.request import BackfillRequest
from ingest.counts import Counts
from ingest.objects import Selection
from ingest.run_report import RunReport
from tests.helpers.trails import own_settings, record, write_trail
from trailhound.cli.backfill_report import show_cut_off
from trailhound.cli.engine import show_start
from trailhound.cli.progress import ObjectCounter, objects_left, share_done
from trailhound.cli.screen import set_quiet
from trailhound.cli.stages import Done, Left, bar_of, progress_line, show_stages


def test_in_a_pipe_a_line_says_what_is_under_way(capfd: pytest.CaptureFixture[str]) -> None:
    progress_line = ""
    with show_stages("report", line_every=0.01) as stage:
        stage("reading alerts", 2, 7)
        while "reading alerts, 2 of 7 done (" not in progress_line:
            time.sleep(0.01)
            progress_line += capfd.readouterr().err
    assert all(line.startswith("report: ") for line in progress_line.splitlines())
    capfd.readouterr()


def test_in_a_pipe_a_start_says_what_it_does(
    capfd: pytest.CaptureFixture[str],
) -> None:
    progress_line = ""

    def until_said(line: str) -> None:
        nonlocal progress_line
        while line not in progress_line:
            time.sleep(0.01)
            progress_line += capfd.readouterr().err

    with show_start(line_every=0.01) as (fetching, starting):
        fetching(0, 3 * 2**20)
        fetching(3 * 2**19, 3 * 2**20)
        until_said("fetching OpenSearch: 1.5 MiB of 3.0 MiB (")
        fetching(3 * 2**20, 3 * 2**20)
        until_said("fetching OpenSearch: all 3.0 MiB are here, checking them (")
        assert progress_line.startswith("fetching OpenSearch (3.0 MiB) …\n")
        starting("its process runs")
        progress_line = ""
        until_said("starting OpenSearch: its process runs (")
        starting("not ready after 120 s")
        until_said("starting OpenSearch: not ready after 120 s (")
        progress_line = ""
        until_said("starting OpenSearch")
        assert "fetching" not in progress_line
    capfd.readouterr()


def test_without_a_download_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    with show_start(line_every=0.001):
        time.sleep(0.05)
    set_quiet(True)
    try:
        with show_start(line_every=0.001) as (fetching, starting):
            fetching(0, 1)
            starting("its process runs")
            time.sleep(0.05)
    finally:
        set_quiet(False)
    assert capfd.readouterr() == ("", "")


def test_work_that_is_done_at_once_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with show_stages("report", line_every=60) as stage:
        stage("reading alerts", 2, 7)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (("starting", 0, 0, "events", 0.0), "starting (0 s)"),
        (("a", 0, 40, "events", 5.0), "a, 0 of 40 events done (5 s)"),
        (("a", 10, 40, "events", 5.0), "a, 10 of 40 events done, 2/s (5 s, about 15 s left)"),
        (("a", 10, 0, "objects", 5.0), "a, 10 objects done, 2/s (5 s)"),
        (("a", 2, 7, "", 4.0), "a, 2 of 7 done (4 s, about 10 s left)"),
        (("a", 7, 7, "", 4.0), "a, all 7 done (4 s)"),
        (("a", 0, 0, "", 60.0), "a (1 min 0 s)"),
        (("a", 0, 0, "", 70.1), "a (1 min 10 s)"),
        # One of many says nothing of the time; the share of the bytes does.
        (("a", 1, 246, "objects", 10.0), "a, 1 of 246 objects done, 0/s (10 s)"),
        (
            ("a", 1, 246, "objects", 10.0, 0.5),
            "a, 1 of 246 objects done, 0/s (10 s, about 10 s left)",
        ),
    ],
)
def test_a_line_has_what_is_known(now: Any, line: str) -> None:
    assert progress_line(*now) == line


@pytest.mark.parametrize("by_flag", [True, False])
def test_nothing_is_shown_to_who_wants_none(
    by_flag: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    set_quiet(by_flag)
    try:
        with show_stages("report", quiet=not by_flag, line_every=0.001) as stage:
            stage("reading alerts", 2, 7)
            time.sleep(0.02)
    finally:
        set_quiet(False)
    assert capfd.readouterr() == ("", "")


def test_the_objects_of_all_sources_are_counted(tmp_path: Path) -> None:
    settings = own_settings("http://127.0.0.1:1", "", tmp_path / "home")
    for number in range(3):
        write_trail(tmp_path / "trail", [record()], f"{number}")
    sources = [str(tmp_path / "trail"), str(tmp_path / "trail" / "0.json.gz")]
    for wanted, found in ((sources, 4), ([*sources, str(tmp_path / "nowhere")], None)):
        selection = Selection(until=date(2025, 3, 2))
        with ObjectCounter(settings, wanted, selection, after=0) as listing:
            listing._thread.join()
            assert (listing.found if listing.complete else None) == found
    with ObjectCounter(settings, ["-"], Selection()) as listing:
        assert not listing.complete


def test_the_objects_of_a_run_that_ends_soon_are_not_counted(tmp_path: Path) -> None:
    settings = own_settings("http://127.0.0.1:1", "", tmp_path / "home")
    write_trail(tmp_path / "trail", [record()])
    with ObjectCounter(settings, [str(tmp_path / "trail")], Selection(), after=60) as listing:
        pass
    listing._thread.join()
    assert listing.found == 0


def test_a_bar_of_an_unknown_number_does_not_ask_for_it() -> None:
    with Progress(Done()) as bar:
        task = bar.add_task("a", total=None, done=0, of=0)
        assert not Done().render(bar.tasks[0]).plain
        bar.update(task, done=3)
        assert Done().render(bar.tasks[0]).plain == "3"
        bar.update(task, of=7000)
        assert Done().render(bar.tasks[0]).plain == "3/7,000"


def test_a_bar_moves_with_the_work_and_fits_80_columns() -> None:
    """Objects count as done late and many at once, the bytes and events they hold do not."""
    screen = Console(file=io.StringIO(), width=80, force_terminal=True)
    with bar_of("backfill", screen) as (bar, stage):
        stage("1,234,567 events, 12,345/s", 0, 123_456, 0.5)
        task = bar.tasks[0]
        task.start_time = (task.get_time() or 0.0) - 100
        assert (task.percentage, Left().render(task).plain) == (50, "about 1 min left")
        shown = Console(file=io.StringIO(), width=80)
        with shown.capture() as drawn:
            shown.print(bar.get_renderable())
    (line,) = drawn.get().splitlines()
    for part in ("1,234,567 events, 1", "0/123,456", "about 1 min left"):
        assert part in line
    assert len(line) <= 80


def test_the_share_is_of_what_is_read_and_of_what_is_known_of_it(tmp_path: Path) -> None:
    settings = own_settings("http://127.0.0.1:1", "", tmp_path / "home")
    listing = ObjectCounter(settings, ["-"], Selection())
    now = RunReport(bytes=500, counts=Counts(read=100, indexed=20, filtered=5))
    assert share_done(now, listing, 10) is None
    listing.found, listing.bytes = 100, 10_000
    assert share_done(now, listing, 100) == 0.05 * 0.25
    assert share_done(now, listing, 10) == 0.5 * 0.25  # --limit
    now.skipped_objects = 10
    assert share_done(now, listing, 10) == 1.0


def test_what_is_left_of_an_interrupted_run_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = own_settings("http://127.0.0.1:1", "", tmp_path / "home")
    listing = ObjectCounter(settings, ["-"], Selection())
    request = BackfillRequest(("-",))
    now = RunReport(skipped_objects=30)
    assert objects_left(listing, request, now) == "", "not known"
    listing.found, listing.complete = 997, True
    assert objects_left(listing, request, now) == "967 of 997 objects are left"
    limited = BackfillRequest(("-",), limit=1)
    assert objects_left(listing, limited, now) == "1 of 31 objects is left"
    show_cut_off(now, settings, objects_left(listing, request, now))
    said = " ".join(capsys.readouterr().err.split())
    assert "run the same command again to resume; 967 of 997 objects are left" in said
