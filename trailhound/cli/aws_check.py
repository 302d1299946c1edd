"""`trailhound aws check`."""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Final

import typer
from rich.text import Text

from trailhound.cli.aws_options import account_of
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, is_table, note
from trailhound.cli.options import Config, Json, settings_from
from trailhound.cli.screen import out, plural, safe, say, say_folded, sentence, table, warn, write
from trailhound.cli.stages import show_stages
from trailhound.cli.table_layout import LEVEL_COLOURS
from trailhound.errors import UsageError

with late_imports():
    from trailhound.aws.account import Account
    from trailhound.aws.posture.examine import Request, examine
    from trailhound.aws.posture.facts import Requirements
    from trailhound.aws.posture.read_calls import policy as policy_document
    from trailhound.posture import SEVERITIES, Posture, PostureFinding, Verdict

_ACCOUNT: Final = re.compile(r"\d{12}")
_WORDS: Final[dict[Verdict, str]] = {
    "pass": "pass",
    "fail": "FAIL",
    "unknown": "unknown",
    "not_applicable": "n/a",
}
_COLOURS: Final[dict[Verdict, str]] = {
    "pass": "green",
    "fail": "bold red",
    "unknown": "yellow",
    "not_applicable": "dim",
}
_INDENT: Final = 5
_ALIKE: Final = 3
"""The least number of findings with one cause that are joined to one paragraph."""
_NODE: Final = "s3:"
"""The prefix of buckets in `investigation.crown_jewels`."""


class Severity(StrEnum):
    """What `--fail-on` takes."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def listing(posture: Posture) -> Listing[PostureFinding]:
    """The listing of findings for pipes and programs; `show` prints paragraphs for people."""
    return Listing[PostureFinding](
        "findings",
        (
            Column("verdict", lambda each: each.verdict, "verdict", ColumnType.ENTIRE),
            Column(
                "severity", lambda each: posture.check(each).severity, "severity", ColumnType.LEVEL
            ),
            Column(
                "cis", lambda each: ", ".join(posture.check(each).cis), "CIS", ColumnType.ENTIRE
            ),
            Column("check", lambda each: each.check, "check", ColumnType.ENTIRE),
            Column("account", lambda each: each.account, "account", ColumnType.ENTIRE),
            Column("region", lambda each: each.region, "region", priority=2),
            Column("resource", lambda each: each.resource, "resource", whole=True),
            Column("evidence", lambda each: each.evidence, "evidence", whole=True),
            Column("fix", lambda each: each.fix, "fix", priority=1),
        ),
        posture.finding_as_dict,
    )


def check(
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Check this account, with --role; may be repeated."),
    ] = None,
    organisation: Annotated[
        bool,
        typer.Option("--organisation", help="Check all accounts of the organisation, with --role."),
    ] = False,
    organization: Annotated[
        bool, typer.Option("--organization", hidden=True, help="As AWS spells it.")
    ] = False,
    role: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The role to assume in the other accounts, with the external id of "
            "aws.external_id.",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="Check this region only; may be repeated. Default: all enabled regions.",
        ),
    ] = None,
    bucket: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A bucket whose data events matter; may be repeated. Default: by the setting "
            "investigation.crown_jewels, or all.",
        ),
    ] = None,
    recent: Annotated[
        int,
        typer.Option(
            metavar="HOURS", min=1, help="The greatest age of the last delivery that passes."
        ),
    ] = 24,
    keep_days: Annotated[
        int,
        typer.Option(metavar="DAYS", min=1, help="The retention that files in the bucket need."),
    ] = 365,
    log_days: Annotated[
        int,
        typer.Option(
            metavar="DAYS", min=1, help="The retention that events in the log group need."
        ),
    ] = 90,
    fail_on: Annotated[
        Severity,
        typer.Option(metavar="SEVERITY", help="Exit with 1 only for this severity and above."),
    ] = Severity.LOW,
    policy: Annotated[
        bool,
        typer.Option(
            "--policy", help="Print the IAM policy that this command needs; makes no call to AWS."
        ),
    ] = False,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Check how accounts are logged and watched: trails, bucket, log group, alarms.

    Each check names its controls of the CIS AWS Foundations Benchmark 3.0. Changes nothing. Exits
    with 1 if a check fails or could not be made.

    Examples: `trailhound aws check`, `trailhound aws check --json > posture.json`
    """
    form = form_of(output, json)
    organisation = organisation or organization
    ids = list(account or ())
    for each in ids:
        if not _ACCOUNT.fullmatch(each):
            raise UsageError(f"--account {each!r} is no account's id", hint="it has 12 digits")
    if policy:
        several = organisation or bool(ids)
        made = policy_document(organisation=organisation, role=(role or "NAME") if several else "")
        write(jsonlib.dumps(made, indent=2) + "\n")
        return
    settings = settings_from(config)
    jewels = [
        each.removeprefix(_NODE)
        for each in settings.investigation.crown_jewels
        if each.startswith(_NODE) and "*" not in each
    ]
    request = Request(
        accounts=ids,
        organisation=organisation,
        role=role or "",
        regions=region or (),
        wanted=Requirements(
            buckets=tuple(bucket or jewels),
            recent=timedelta(hours=recent),
            keep_days=keep_days,
            log_days=log_days,
        ),
    )
    own = account_of(config, region[0] if region else None)
    posture = examined(own, request)
    open_ = posture.open(SEVERITIES[list(Severity).index(fail_on)])
    if is_table(form):
        show(posture)
    else:
        listing(posture).show(
            sorted(posture.findings, key=posture.rank), form, beside=posture.metadata()
        )
        _note_unreached(posture)
        note(summary(posture), form)
    if ids or organisation:
        note("run the commands with credentials of the account that they are about", form)
    unreached = [each for each in posture.unreached if not each.closed]
    if open_ or unreached or not posture.accounts:
        raise typer.Exit(ExitCode.INCOMPLETE)


def examined(own: Account, request: Request) -> Posture:
    """Examine accounts, with progress on stderr."""
    with show_stages("aws check", unit="accounts") as stage:
        return examine(own, request, stage)


def show(posture: Posture) -> None:
    """Print findings for people: failed ones first, each with its fix; passed ones on a line
    each."""
    several = len(posture.accounts) > 1
    for named in posture.accounts:
        mine = [each for each in posture.findings if each.account == named.account]
        mine = _together(sorted(mine, key=posture.rank))
        if several:
            out.heading(safe(f"account {named.account} {named.name}".rstrip()).plain)
        for same, group in groupby(mine, _sameness):
            found = list(group)
            if same[0] in ("fail", "unknown") and len(found) >= _ALIKE:
                _show_alike(posture, found)
            else:
                for each in found:
                    _show(posture, each)
        if several:
            say(_counts(posture, named.account))
            say("")
    _note_unreached(posture)
    if several:
        _by_account(posture)
    note(summary(posture))


def _show(posture: Posture, finding: PostureFinding) -> None:
    """Print a finding as a paragraph; a passed one on a line with its evidence."""
    of = posture.check(finding)
    head = (_WORDS[finding.verdict], _COLOURS[finding.verdict])
    cis = (f" [CIS {', '.join(of.cis)}]" if of.cis else "", "dim")
    if finding.verdict in ("pass", "not_applicable"):
        say_folded(Text.assemble(head, f"  {of.title}", cis), _INDENT)
        _part(_where(finding) + finding.evidence)
        return
    level = (f"  {of.severity}", LEVEL_COLOURS.get(of.severity, ""))
    say_folded(Text.assemble(head, level, f"  {of.title}", cis), _INDENT)
    _part(_where(finding) + finding.evidence)
    if finding.fix:
        _show_fix(finding.fix)


def _sameness(finding: PostureFinding) -> tuple[str, ...]:
    """The key by which findings are joined to one paragraph."""
    return finding.verdict, finding.resource, finding.evidence, finding.fix


def _together(findings: list[PostureFinding]) -> list[PostureFinding]:
    """The findings in their order, those with the same key moved up behind the first of them."""
    alike: dict[tuple[str, ...], list[PostureFinding]] = {}
    for each in findings:
        alike.setdefault(_sameness(each), []).append(each)
    return [each for group in alike.values() for each in group]


def _show_alike(posture: Posture, findings: list[PostureFinding]) -> None:
    """Print the checks that fail for one cause as one paragraph."""
    first = findings[0]
    head = Text(_WORDS[first.verdict], style=_COLOURS[first.verdict])
    text = f"  {plural(len(findings), 'check')}: {_where(first)}{first.evidence}"
    sentence(head + safe(text), _INDENT)
    if first.fix:
        _show_fix(first.fix)
    for each in findings:
        of = posture.check(each)
        cis = "CIS " + ", ".join(of.cis) if of.cis else ""
        line = Text.assemble(
            " " * _INDENT,
            (f"{of.severity:<8}  ", LEVEL_COLOURS.get(of.severity, "")),
            (f"{cis:<10} ", "dim"),
            of.title,
        )
        say_folded(line, _INDENT + 21)


def _where(finding: PostureFinding) -> str:
    """The resource; empty if it is the account itself."""
    if finding.resource == finding.account:
        return ""
    short = finding.resource.split(":", 5)[-1] if finding.resource.startswith("arn:") else ""
    return f"{short or finding.resource}: "


def _part(text: str) -> None:
    say_folded(Text(" " * _INDENT) + safe(text), _INDENT)


def _show_fix(command: str) -> None:
    """Print a command on one line, however long, so that it can be copied."""
    out.print(Text(" " * _INDENT), Text("try: ", style="cyan"), safe(command), sep="")


def _note_unreached(posture: Posture) -> None:
    for each in posture.unreached:
        place = f"account {each.account}" + (f", region {each.region}" if each.region else "")
        hint = f"; {each.hint}" if each.hint else ""
        warn(f"{place}: {each.reason}{hint}")


def _counts(posture: Posture, account: str | None = None) -> str:
    counted = posture.count(account)
    return (
        f"{counted['fail']:,} failed, {counted['unknown']:,} unknown, "
        f"{counted['pass']:,} passed, {counted['not_applicable']:,} not applicable"
    )


def summary(posture: Posture) -> str:
    """The last line: the numbers of findings by verdict."""
    by = [
        f"{number} {severity}"
        for severity in SEVERITIES
        if (
            number := sum(
                posture.check(each).severity == severity
                for each in posture.findings
                if each.verdict == "fail"
            )
        )
    ]
    failed = f" (failed: {', '.join(by)})" if by else ""
    left = [each for each in posture.unreached if not each.closed]
    missed = f"; {plural(len(left), 'account or region')} not reached" if left else ""
    checks = plural(len(posture.checks), "check")
    accounts = plural(len(posture.accounts), "account")
    return f"{checks} of {accounts}: {_counts(posture)}{failed}{missed}"


def _by_account(posture: Posture) -> None:
    rows: list[Sequence[object]] = []
    for each in posture.accounts:
        counted = posture.count(each.account)
        rows.append(
            (
                each.account,
                each.name,
                counted["fail"],
                counted["unknown"],
                counted["pass"],
                counted["not_applicable"],
            )
        )
    heads = ("account", "name", "#failed", "#unknown", "#passed", "#n/a")
    out.print(table(heads, rows))
