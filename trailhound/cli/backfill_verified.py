"""`backfill --verify`: verifies the digests before, and reports altered files after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural, say, say_on_stderr, warn
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from ingest.objects import Selection
    from trailhound.cluster.client import connect
    from trailhound.settings import Settings


if TYPE_CHECKING:
    from trailhound.app.integrity.verified_backfill import CheckedChains

_SHOWN: Final = 10


def require_verifiable(sources: Sequence[str], *, enqueue: bool, dry_run: bool) -> None:
    """Raise `UsageError` for sources that have no digests, and for runs that read nothing."""
    if enqueue or dry_run:
        other = "--enqueue" if enqueue else "--dry-run"
        raise UsageError(
            f"--verify reads, and {other} does not", hint="see `trailhound verify SOURCE`"
        )
    for source in sources:
        if not (source.startswith("s3://") or Path(source).expanduser().is_dir()):
            raise UsageError(
                f"{source}: --verify needs a bucket or a folder, with digests beside the files",
                hint="give the bucket or folder above AWSLogs/, or leave out --verify",
            )


def verify_digests(
    settings: Settings, sources: Sequence[str], selection: Selection, *, quiet: bool
) -> CheckedChains:
    """Verify the digests of the selected files, and print the result unless `quiet`. Raises as
    `check_chains` does."""
    # Imported here, so that a backfill without `--verify` starts faster.
    from trailhound.app.integrity.verified_backfill import check_chains

    with show_stages("verify") as stage:
        listed = 0

        def on_progress(files: int) -> None:
            nonlocal listed
            listed += files
            stage("digests", listed, 0)

        chains = check_chains(connect(settings), settings, sources, selection, on_progress)
    if quiet:
        return chains
    digests = chains.whole.digests
    wrong = digests.invalid + digests.missing + digests.unreadable + digests.unlisted
    say(
        f"{plural(digests.valid, 'digest')} valid, {wrong:,} not; "
        f"{plural(len(chains.expected), 'file')} listed"
    )
    failing = [each for each in chains.whole.findings if each.kind.fails]
    for each in failing[:_SHOWN]:
        say_on_stderr(f"  {each.kind.value}: {each.object}: {each.detail}", 4)
    if len(failing) > _SHOWN:
        say_on_stderr(f"  … and {len(failing) - _SHOWN:,} more: see `trailhound verify`", 4)
    return chains


def alert_altered_files(
    settings: Settings, chains: CheckedChains, started: datetime, *, quiet: bool
) -> dict[str, Any]:
    """Raise alerts about files that differed from their digests when they were read. Returns the
    verification as `--json` prints it."""
    from trailhound.app.integrity.verified_backfill import alert_of_read

    recorded = chains.recorded
    recorded.alerts |= alert_of_read(connect(settings), settings, started)
    if recorded.alerts and not quiet:
        warn(f"{plural(len(recorded.alerts), 'new alert')} about files: trailhound alerts list")
    return chains.as_dict()
