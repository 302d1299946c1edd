"""`trailhound aws setup`."""

from __future__ import annotations

import json as jsonlib
import re
import shlex
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from trailhound.cli.aws_changes import (
    LISTING,
    applied_text,
    show_changes,
    show_planned,
    show_written,
)
from trailhound.cli.aws_costs import ESTIMATE, Volume, assumed_flags, show_costs
from trailhound.cli.aws_options import Bucket, Name, Region, account_of, is_given
from trailhound.cli.aws_removal import destroy_set_up
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Output, form_of, is_table, note
from trailhound.cli.options import Config, Json
from trailhound.cli.screen import warn, write
from trailhound.errors import UsageError

with late_imports():
    from trailhound.aws.names import PREFIX, TrailSetup
    from trailhound.aws.parts import PartChange, applied, planned
    from trailhound.aws.template import for_a_stack, template
    from trailhound.aws.trail_setup import Trail


_NARROW, _SIZES = "What is logged", "Estimate of costs"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{2,31}")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ORGANISATION: Final = re.compile(r"o-[a-z0-9]{10,32}")


_OF_A_PLAN: Final = ESTIMATE | {"years", "plan", "apply", "output", "json"}
"""Flags of a plan that the printed `--apply` command leaves out."""


class Format(StrEnum):
    """What `--format` takes."""

    CLOUDFORMATION = "cloudformation"


class LockMode(StrEnum):
    """The mode of S3 Object Lock."""

    GOVERNANCE = "GOVERNANCE"
    COMPLIANCE = "COMPLIANCE"


def setup(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change (default).")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Make the changes.")] = False,
    destroy: Annotated[
        bool, typer.Option("--destroy", help="Remove everything that has this set-up's tag.")
    ] = False,
    delete_bucket: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With --destroy: also remove this bucket and all of its files."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --destroy: don't ask.")] = False,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format", help="Write a template of the set-up instead; makes no call to AWS."
        ),
    ] = None,
    name: Name = "trailhound",
    bucket: Bucket = None,
    region: Region = None,
    organisation: Annotated[
        str | None,
        typer.Option(metavar="o-…", help="Log all accounts of this organisation."),
    ] = None,
    kms: Annotated[
        bool, typer.Option("--kms", help="Encrypt with a new KMS key instead of AES256.")
    ] = False,
    object_lock: Annotated[
        int,
        typer.Option(
            metavar="DAYS",
            min=0,
            max=36_500,
            help="Lock each file against deletion for so many days.",
        ),
    ] = 0,
    object_lock_mode: Annotated[
        LockMode,
        typer.Option(
            help="COMPLIANCE: nobody can shorten the lock; GOVERNANCE: with a permission."
        ),
    ] = LockMode.GOVERNANCE,
    move_small: Annotated[
        bool,
        typer.Option(
            "--move-small", help="Also move files of up to 128 KB to colder storage classes."
        ),
    ] = False,
    data_events: Annotated[
        bool,
        typer.Option(
            "--data-events/--no-data-events",
            help="Log data events of S3 objects and Lambda functions.",
            rich_help_panel=_NARROW,
        ),
    ] = True,
    data_bucket: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Log data events of this bucket, not of all; may be repeated.",
            rich_help_panel=_NARROW,
        ),
    ] = None,
    data_function: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ARN",
            help="Log data events of this function, not of all; may be repeated.",
            rich_help_panel=_NARROW,
        ),
    ] = None,
    data_writes_only: Annotated[
        bool,
        typer.Option(
            "--data-writes-only", help="Log writes of objects, not reads.", rich_help_panel=_NARROW
        ),
    ] = False,
    insights: Annotated[
        bool,
        typer.Option(
            "--insights/--no-insights",
            help="Log unusual rates of calls and errors (Insights).",
            rich_help_panel=_NARROW,
        ),
    ] = True,
    daemon_principal: Annotated[
        str | None,
        typer.Option(
            metavar="ARN|SERVICE",
            help="Who may assume the daemon's role. Default: identities of the account.",
        ),
    ] = None,
    subscribe: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Send alarms to this mail address or https:// URL."),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Also change existing resources that lack this set-up's tag."),
    ] = False,
    data_events_a_day: Annotated[
        int, typer.Option(metavar="N", min=0, rich_help_panel=_SIZES, help="Data events a day.")
    ] = 1_000_000,
    management_events_a_day: Annotated[
        int,
        typer.Option(metavar="N", min=0, rich_help_panel=_SIZES, help="Management events a day."),
    ] = 100_000,
    files_a_day: Annotated[
        int, typer.Option(metavar="N", min=0, rich_help_panel=_SIZES, help="Trail files a day.")
    ] = 1_500,
    file_bytes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            rich_help_panel=_SIZES,
            help="Bytes of a trail file. Default: the day's events over its files, at 350 bytes "
            "an event.",
        ),
    ] = None,
    years: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            max=50,
            rich_help_panel=_SIZES,
            help="The years that the estimate covers.",
        ),
    ] = 5,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Set up a trail: bucket, log group, roles, and a queue for the daemon.

    It is safe to run again: only differences are changed.

    Examples: `trailhound aws setup --plan`, `trailhound aws setup --apply --no-data-events`
    """
    form = form_of(output, json)
    if plan + apply + destroy + (format_ is not None) > 1:
        raise UsageError(
            "--plan, --apply, --destroy and --format exclude each other", hint="give one of them"
        )
    if delete_bucket is not None and not destroy:
        raise UsageError("--delete-bucket belongs to --destroy", hint="give both")
    wanted = _checked(
        TrailSetup(
            account="",
            region="",
            name=name,
            bucket=bucket or "",
            organisation=organisation or "",
            kms=kms,
            object_lock_days=object_lock,
            object_lock_mode=object_lock_mode.value,
            move_small=move_small,
            data_events=data_events,
            data_buckets=tuple(data_bucket or ()),
            data_functions=tuple(data_function or ()),
            data_writes_only=data_writes_only,
            insights=insights,
            daemon_principal=daemon_principal or "",
            subscriber=subscribe or "",
        )
    )
    if format_ is not None:
        write(jsonlib.dumps(template(for_a_stack(wanted)), indent=2) + "\n")
        return
    account = account_of(config, region)
    trail = Trail.of(account, wanted, adopt=adopt)
    if destroy:
        destroy_set_up(trail, delete_bucket or "", form, yes=yes)
        return
    volume = Volume(data_events_a_day, management_events_a_day, files_a_day, file_bytes)
    costs = volume.costs(wanted, years)
    changes = [*planned(trail.key_parts()), *planned(trail.with_key().parts())]
    assumed = assumed_flags(context)
    apply_by = None if apply else _apply_command(context)
    beside = {
        "account": account.id,
        "region": account.region,
        "costs": [each.as_dict() for each in costs],
        "years": years,
        "assumed": assumed,
        "applied": apply,
        "apply": apply_by,
        "commands": _commands(trail.setup),
    }
    people = is_table(form)
    show_planned(changes, form, apply=apply)
    if people:
        show_costs(costs, assumed, move_small=move_small)
        show_changes(changes)
    if apply_by is not None:
        if not people:
            LISTING.show(changes, form, beside=beside)
        _last(trail, changes, form, apply_by)
        return
    _apply(trail, changes)
    _show_applied(trail, changes, form, beside)


def _show_applied(
    trail: Trail, changes: list[PartChange], form: Form, beside: dict[str, Any]
) -> None:
    """Show what was applied, and whether the trail logs now. Exits with 1 if it does not."""
    status = trail.status()
    logs = bool(status["IsLogging"])
    if not is_table(form):
        LISTING.show(changes, form, beside={**beside, "logging": logs})
    if fault := status.get("LatestDeliveryError"):
        warn(f"CloudTrail could not deliver its last files: {fault}")
    if logs:
        note(f"trail {trail.setup.name} logs, as GetTrailStatus says", form)
    else:
        warn(f"trail {trail.setup.name} does not log, as GetTrailStatus says")
    _last(trail, changes, form)
    if not logs:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _checked(wanted: TrailSetup) -> TrailSetup:
    """The set-up, if AWS accepts its names and its options fit together. Raises `UsageError`."""
    for flag, value, form in (
        ("--name", wanted.name, _NAME),
        ("--bucket", wanted.bucket, _BUCKET),
        ("--organisation", wanted.organisation, _ORGANISATION),
        *(("--data-bucket", each, _BUCKET) for each in wanted.data_buckets),
    ):
        if value and not form.fullmatch(value):
            raise UsageError(
                f"{flag} {value!r} is not a valid name", hint=f"AWS accepts {form.pattern}"
            )
    if wanted.subscriber and not re.fullmatch(r"[^@\s]+@[^@\s]+|https://\S+", wanted.subscriber):
        raise UsageError(
            f"--subscribe {wanted.subscriber!r} is neither a mail address nor an https:// URL",
            hint="write ada@example.com",
        )
    if wanted.move_small and wanted.organisation:
        raise UsageError(
            "--move-small moves the files of one account's folder, so that digests stay in "
            "Standard; an organisation has many",
            hint="leave it out: files over 128 KB of all accounts move",
        )
    if not wanted.data_events and (wanted.data_buckets or wanted.data_functions):
        raise UsageError(
            "--no-data-events and --data-bucket or --data-function exclude each other",
            hint="leave out one of them",
        )
    return wanted


def _apply(trail: Trail, changes: list[PartChange]) -> None:
    """Apply the changes: first the KMS key, whose ARN the other parts need."""
    keys = len(trail.key_parts())
    done = applied(changes[:keys], show_written)
    rest = changes[keys:]
    if done.written:
        rest = planned(trail.with_key().parts())
    applied(rest, show_written)


def _apply_command(context: typer.Context) -> str:
    """The command that applies the plan: the given flags with `--apply`."""
    words = [*context.command_path.split(" ")[1:], "--apply"]
    for each in context.command.params:
        if each.name in _OF_A_PLAN or not is_given(context, each.name):
            continue
        value = context.params[each.name or ""]
        if isinstance(value, bool):
            words += (each.opts if value else each.secondary_opts)[:1]
        else:
            for one in value if isinstance(value, (list, tuple)) else [value]:
                words += [each.opts[0], str(one)]
    return shlex.join(["trailhound", *words])


def _last(trail: Trail, changes: list[PartChange], form: Form, apply_by: str | None = None) -> None:
    """Say what was done or how to do it, and which commands read the trail."""
    if apply_by is None:
        note(applied_text(changes), form)
    if not trail.setup.subscriber:
        note(f"alarms go to {trail.setup.alarm_topic_arn}: --subscribe ADDRESS adds a reader", form)
    if apply_by is not None and any(each.action != "unchanged" for each in changes):
        note("to make it so:", form)
        note(apply_by, form)
        return
    for line in _commands(trail.setup):
        note(line, form)


def _commands(setup: TrailSetup) -> list[str]:
    return [
        shlex.join(["trailhound", "run", "--queue", setup.queue_arn]),
        shlex.join(["trailhound", "backfill", f"s3://{setup.bucket_name}/{PREFIX}"]),
    ]
