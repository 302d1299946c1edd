"""How a check records its findings, and functions that all checks use."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trailhound.aws.names import PREFIX
from trailhound.aws.posture.facts import Refused, Reply, Scope, TrailFacts, known
from trailhound.plural import plural as plural
from trailhound.posture import PostureFinding, Verdict


@dataclass(frozen=True)
class FindingBuilder:
    """Findings of one check in one account."""

    check: str
    scope: Scope

    def passed(self, resource: str, evidence: str, region: str = "") -> PostureFinding:
        return self._finding("pass", resource, evidence, region)

    def failed(self, resource: str, evidence: str, fix: str, region: str = "") -> PostureFinding:
        return self._finding("fail", resource, evidence, region, fix)

    def unknown(
        self, resource: str, why: Refused | str, hint: str = "", region: str = ""
    ) -> PostureFinding:
        """A finding for what could not be read; it never counts as passed."""
        if isinstance(why, Refused):
            permission = why.permission if why.denied else ""
            return self._finding(
                "unknown", resource, why.reason, region, hint or why.hint, permission
            )
        return self._finding("unknown", resource, why, region, hint)

    def not_applicable(self, resource: str, why: str, region: str = "") -> PostureFinding:
        return self._finding("not_applicable", resource, why, region)

    def _finding(
        self,
        verdict: Verdict,
        resource: str,
        evidence: str,
        region: str,
        fix: str = "",
        permission: str = "",
    ) -> PostureFinding:
        return PostureFinding(
            check=self.check,
            verdict=verdict,
            account=self.scope.account.id,
            region=region,
            resource=resource,
            evidence=evidence,
            fix=fix,
            permission=permission,
        )


OWNER: Final = "check the account of the bucket too: --account ID --role NAME, or --organisation"
"""The fix for a bucket of another account."""
Evaluator = Callable[[FindingBuilder], Iterator[PostureFinding]]
Evaluators = Mapping[str, Evaluator]


def each_trail(evaluator: Callable[[FindingBuilder, TrailFacts], PostureFinding]) -> Evaluator:
    """A check of one trail as a check of all trails that are evaluated in an account."""

    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        for trail in of.scope.trails:
            yield evaluator(of, trail)
        yield from without_trails(of)

    return evaluate


def without_trails(of: FindingBuilder) -> Iterator[PostureFinding]:
    """The finding of an account without any trail."""
    account = of.scope.account
    if account.trails:
        return
    if account.unlisted_regions:
        yield unseen_regions(of)
    else:
        where = "account" if account.all_regions else "regions that were looked at"
        yield of.failed(account.id, f"no trail in the {where}", "trailhound aws setup --plan")


def unseen_regions(of: FindingBuilder) -> PostureFinding:
    """The finding that trails of some regions could not be listed."""
    unlisted = of.scope.account.unlisted_regions
    why = unlisted[0].trails
    assert isinstance(why, Refused)  # noqa: S101 - it is what makes a region one of these
    more = f" ({plural(len(unlisted), 'region')} in all)" if len(unlisted) > 1 else ""
    return of.unknown(of.scope.account.id, why.with_reason(f"{why.reason}{more}"))


def setup_command(trail: TrailFacts, scope: Scope, *flags: str) -> str:
    """The command that plans to correct a trail of `aws setup`; empty for any other trail.

    It is a plan, which shows what else would change and ends with the command that applies it.
    """
    described = trail.described
    ours = (
        str(described.get("S3KeyPrefix", "")).strip("/") == PREFIX.strip("/")
        and trail.log_group.endswith(f":/{trail.name}/cloudtrail")
        and trail.owner in scope.others
    )
    if not ours:
        return ""
    words = ["trailhound", "aws", "setup", "--plan", "--region", trail.home]
    if trail.name != "trailhound":
        words += ["--name", trail.name]
    if trail.bucket != f"{trail.name}-logs-{trail.owner}-{trail.home}":
        words += ["--bucket", trail.bucket]
    organisation = known(scope.account.organisation, None)
    if trail.of_organisation and organisation:
        words += ["--organisation", str(organisation["Id"])]
    if trail.key is not None and "--kms" not in flags:
        words.append("--kms")
    return shlex.join([*words, *flags])


def setup_or(trail: TrailFacts, scope: Scope, *words: str) -> str:
    """The command of `setup_command`; for any other trail, a command of the AWS CLI."""
    return setup_command(trail, scope) or aws(*words, "--region", trail.home)


def aws(*words: str) -> str:
    """A command of the AWS CLI."""
    return shlex.join(["aws", *words])


def listed(names: Sequence[str], most: int = 5) -> str:
    """Names in a sentence; of many the first ones, and how many more.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def statements(policy: Reply | None) -> list[Reply]:
    """The statements of a policy, in which a single one need not be in a list."""
    found = (policy or {}).get("Statement") or []
    return list(found) if isinstance(found, list) else [found]


def texts(value: object) -> list[str]:
    """A text or a list of texts, as policies have both."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
