"""How AWS accounts are logged and watched: the checks, their findings, and the JSON of both.

`trailhound aws check` makes it, `trailhound report --posture` and `trailhound aws checklist` read
it. Its JSON is described in docs/json.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from trailhound.errors import UsageError

Severity = Literal["critical", "high", "medium", "low"]
Verdict = Literal["pass", "fail", "unknown", "not_applicable"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
"""By falling severity."""
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
_ORDER: Final[tuple[Verdict, ...]] = ("fail", "unknown", "pass", "not_applicable")
VERSION: Final = 1
"""The version of the JSON."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check. `cis` are its controls of the CIS AWS Foundations Benchmark 3.0."""

    id: str
    title: str
    severity: Severity
    risk: str
    remediation: str
    cis: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PostureFinding:
    """The result of a check for one resource. `evidence` is what it follows from, or why it is
    `unknown`; `permission` is the missing permission, if that is why. `fix` is a command, or a
    sentence if no command does it."""

    check: str
    verdict: Verdict
    account: str
    resource: str
    evidence: str
    region: str = ""
    fix: str = ""
    permission: str = ""


@dataclass(frozen=True, kw_only=True)
class Unreached:
    """An account, or a region of an account, that could not be checked."""

    account: str
    reason: str
    hint: str = ""
    region: str = ""
    closed: bool = False
    """Nothing can happen there: the account is suspended, or the region not enabled."""


@dataclass(frozen=True, kw_only=True)
class CheckedAccount:
    """A checked account; its name is known only from Organizations."""

    account: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Posture:
    """The result for all accounts. `taken` is its time in UTC, as ISO text."""

    taken: str
    accounts: tuple[CheckedAccount, ...]
    checks: tuple[Check, ...]
    findings: tuple[PostureFinding, ...]
    unreached: tuple[Unreached, ...] = ()

    def check(self, finding: PostureFinding) -> Check:
        """The check of a finding."""
        return next(each for each in self.checks if each.id == finding.check)

    def of_accounts(self, accounts: Collection[str]) -> Posture:
        """The part about these accounts; everything if none is named."""
        if not accounts:
            return self
        return replace(
            self,
            accounts=tuple(each for each in self.accounts if each.account in accounts),
            findings=tuple(each for each in self.findings if each.account in accounts),
            unreached=tuple(each for each in self.unreached if each.account in accounts),
        )

    def count(self, account: str | None = None) -> Counter[Verdict]:
        """The numbers of findings by verdict, of one account or of all."""
        return Counter(each.verdict for each in self.findings if account in (None, each.account))

    def open(self, least: Severity = "low") -> list[PostureFinding]:
        """Failed and unknown findings of this severity and above, by rank."""
        found = [
            each
            for each in self.findings
            if each.verdict in ("fail", "unknown")
            and SEVERITIES.index(self.check(each).severity) <= SEVERITIES.index(least)
        ]
        return sorted(found, key=self.rank)

    def rank(self, finding: PostureFinding) -> tuple[int, int]:
        """The sort key of findings: failed before unknown, then by falling severity."""
        return _ORDER.index(finding.verdict), SEVERITIES.index(self.check(finding).severity)

    def checked(self) -> Posture:
        """The posture itself. Raises `ValueError` if a severity, verdict or check is unknown."""
        known = {each.id for each in self.checks}
        for check in self.checks:
            if check.severity not in SEVERITIES:
                raise ValueError(f"no severity: {check.severity}")
        for finding in self.findings:
            if finding.check not in known or finding.verdict not in VERDICTS:
                raise ValueError(f"no finding: {finding.check} {finding.verdict}")
        return self

    def metadata(self) -> dict[str, Any]:
        """The members of the JSON object beside `findings`."""
        return {
            "version": VERSION,
            "taken": self.taken,
            "accounts": [
                {**asdict(each), "totals": _totals(self.count(each.account))}
                for each in self.accounts
            ],
            "checks": [{**asdict(each), "cis": list(each.cis)} for each in self.checks],
            "unreached": [asdict(each) for each in self.unreached],
            "totals": _totals(self.count()),
        }

    def finding_as_dict(self, finding: PostureFinding) -> dict[str, Any]:
        """The JSON object of a finding, with the title, severity and controls of its check."""
        of = self.check(finding)
        return {**asdict(finding), "title": of.title, "severity": of.severity, "cis": list(of.cis)}

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "findings": [self.finding_as_dict(each) for each in self.findings],
            **self.metadata(),
        }


def _totals(counted: Mapping[Verdict, int]) -> dict[str, int]:
    return {verdict: counted.get(verdict, 0) for verdict in VERDICTS}


def read_posture(path: Path) -> Posture:
    """The posture that `trailhound aws check --json` wrote to a file. Raises `UsageError`."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise UsageError(f"{path} can't be read: {reason}", hint=_WRITE) from None
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise UsageError(
            f"{path} does not hold what `trailhound aws check` of this version writes", hint=_WRITE
        )
    try:
        return Posture(
            taken=str(found["taken"]),
            accounts=_each(CheckedAccount, found["accounts"]),
            checks=tuple(
                Check(**{**_own(Check, each), "cis": tuple(map(str, each["cis"]))})
                for each in found["checks"]
            ),
            findings=_each(PostureFinding, found["findings"]),
            unreached=_each(Unreached, found["unreached"]),
        ).checked()
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{path} is not what `trailhound aws check --json` writes ({error})", hint=_WRITE
        ) from None


_WRITE: Final = "write it with `trailhound aws check --json > posture.json`"
Made = TypeVar("Made")


def _each(kind: type[Made], rows: Iterable[Mapping[str, Any]]) -> tuple[Made, ...]:
    return tuple(kind(**_own(kind, each)) for each in rows)


def _own(kind: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Those members of a JSON object that are fields of a class."""
    return {each.name: row[each.name] for each in fields(kind) if each.name in row}
