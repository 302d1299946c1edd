"""Checks of an account beside its trails: organisation, other recorders, shared access."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from trailhound.aws.posture.facts import Refused, Region, known
from trailhound.aws.posture.finding_builder import (
    Evaluators,
    FindingBuilder,
    aws,
    listed,
    plural,
    texts,
)
from trailhound.posture import PostureFinding


def _organisation(of: FindingBuilder) -> Iterator[PostureFinding]:
    """A trail of the organisation logs all regions of all accounts, new ones too."""
    account = of.scope.account
    organisation = account.organisation
    if isinstance(organisation, Refused):
        yield of.unknown(account.id, organisation)
        return
    if organisation is None:
        yield of.not_applicable(account.id, "the account is in no organisation")
        return
    trails = [each for each in account.trails if each.of_organisation]
    wide = [each for each in trails if each.all_regions]
    manager, id_ = str(organisation["MasterAccountId"]), str(organisation["Id"])
    role = "management account" if manager == account.id else f"member; {manager} manages"
    delegated = sorted(known(account.delegated, frozenset()))
    by = f", CloudTrail administered by {listed(delegated)}" if delegated else ""
    for trail in wide:
        if trail.is_logging is True:
            where = f"trail {trail.name} of account {trail.owner}, home {trail.home}"
            yield of.passed(id_, f"{where} ({role}{by})")
            return
    unsure = [each for each in wide if isinstance(each.is_logging, Refused)]
    if unsure:
        yield of.unknown(id_, known_refusal(unsure[0].is_logging))
    elif account.unlisted_regions:
        yield of.unknown(id_, known_refusal(account.unlisted_regions[0].trails))
    else:
        what = "no trail is the organisation's"
        if trails:
            what = f"its trail {trails[0].name} " + (
                "does not log" if wide else "is of one region alone"
            )
        where = "" if manager == account.id else f" (in account {manager})"
        yield of.failed(
            id_, f"{what} ({role}{by})", f"trailhound aws setup --plan --organisation {id_}{where}"
        )


def known_refusal(seen: Any) -> Refused:
    """`seen` as a refusal, which the caller knows it to be."""
    assert isinstance(seen, Refused)  # noqa: S101 - the caller asked
    return seen


def _each_region(
    seen: Callable[[Region], Any],
    off: Callable[[Any], str],
    fix: Callable[[str], str],
    passing: str,
) -> Callable[[FindingBuilder], Iterator[PostureFinding]]:
    """A check that every region has to pass. `off`: why a region does not, or empty."""

    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        account = of.scope.account
        bad: dict[str, str] = {}
        dark: list[Refused] = [account.unlisted] if account.unlisted else []
        for region in account.regions:
            value = seen(region)
            if isinstance(value, Refused):
                dark.append(value)
            elif why := off(value):
                bad[region.name] = why
        if bad:
            whys = list(dict.fromkeys(bad.values()))
            evidence = f"{whys[0]} in {listed(list(bad))}"
            if len(whys) > 1:
                evidence = listed([f"{name}: {why}" for name, why in bad.items()], 3)
            yield of.failed(account.id, evidence, fix(next(iter(bad))))
        if dark:
            more = f" ({plural(len(dark), 'region')} in all)" if len(dark) > 1 else ""
            yield of.unknown(account.id, dark[0].with_reason(f"{dark[0].reason}{more}"))
        if not bad and not dark:
            yield of.passed(account.id, f"{passing} in {plural(len(account.regions), 'region')}")

    return evaluate


def _recording(recorders: Any) -> str:
    if not recorders:
        return "no recorder"
    if not any(each.get("recording") for each in recorders):
        return "the recorder is off"
    failing = [each for each in recorders if str(each.get("lastStatus")).upper() == "FAILURE"]
    return "the recorder can't deliver" if failing else ""


def _vpcs(region: Region) -> Any:
    """How many networks have no flow log."""
    if isinstance(region.vpcs, Refused) or isinstance(region.flow_logs, Refused):
        return region.vpcs if isinstance(region.vpcs, Refused) else region.flow_logs
    return sorted(region.vpcs - region.flow_logs)


def _sharing(of: FindingBuilder) -> Iterator[PostureFinding]:
    role, seen = "CloudWatch-CrossAccountSharingRole", of.scope.account.sharing_role
    if isinstance(seen, Refused):
        yield of.unknown(role, seen)
        return
    if seen is None:
        yield of.passed(role, "there is no such role")
        return
    trust = seen.get("AssumeRolePolicyDocument") or {}
    given = trust.get("Statement") or [] if isinstance(trust, dict) else []
    who = sorted(
        {
            text
            for each in (given if isinstance(given, list) else [given])
            if isinstance(each.get("Principal"), dict)
            for text in texts(each["Principal"].get("AWS") or [])
        }
    )
    yield of.failed(
        role,
        "the role is there" + (f", for {listed(who)}" if who else ""),
        f"if nobody needs it: {aws('iam', 'delete-role', '--role-name', role)}",
    )


EVALUATORS: Final[Evaluators] = {
    "organisation-trail": _organisation,
    "cloudwatch-sharing": _sharing,
    "config-every-region": _each_region(
        lambda region: region.recorders,
        _recording,
        lambda region: aws(
            "configservice",
            "start-configuration-recorder",
            "--configuration-recorder-name",
            "default",
            "--region",
            region,
        ),
        "a recorder is on",
    ),
    "flow-logs": _each_region(
        _vpcs,
        lambda bare: f"{plural(len(bare), 'VPC')} without flow logs" if bare else "",
        lambda region: aws(
            *("ec2", "create-flow-logs", "--resource-type", "VPC", "--resource-ids", "VPC_ID"),
            *("--traffic-type", "REJECT", "--log-destination-type", "s3"),
            *("--log-destination", "BUCKET_ARN", "--region", region),
        ),
        "every VPC has one",
    ),
    "security-hub": _each_region(
        lambda region: region.hub,
        lambda on: "" if on else "off",
        lambda region: aws("securityhub", "enable-security-hub", "--region", region),
        "it is on",
    ),
}
