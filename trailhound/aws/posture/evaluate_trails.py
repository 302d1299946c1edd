"""Checks of each trail: that it logs and delivers, validation, encryption, Insights."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from trailhound.aws.documents import INSIGHTS
from trailhound.aws.posture.facts import Refused, TrailFacts
from trailhound.aws.posture.finding_builder import (
    Evaluators,
    FindingBuilder,
    aws,
    each_trail,
    listed,
    setup_command,
    setup_or,
)
from trailhound.posture import PostureFinding


def _logging(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    state = trail.is_logging
    if isinstance(state, Refused):
        return of.unknown(trail.arn, state, region=trail.home)
    if state:
        return of.passed(trail.arn, "GetTrailStatus: IsLogging is true", trail.home)
    assert not isinstance(trail.status, Refused)  # noqa: S101 - else its state were not known
    since = trail.status.get("StopLoggingTime")
    return of.failed(
        trail.arn,
        "it does not log" + (f", stopped {_moment(since)}" if since else ""),
        setup_or(trail, of.scope, "cloudtrail", "start-logging", "--name", trail.arn),
        trail.home,
    )


def _delivery(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    return delivered(
        of, trail, "LatestDeliveryTime", "LatestDeliveryError", f"to bucket {trail.bucket}"
    )


def delivered(
    of: FindingBuilder, trail: TrailFacts, time: str, error: str, to: str
) -> PostureFinding:
    """Whether a kind of delivery works, by `GetTrailStatus`."""
    status = trail.status
    if isinstance(status, Refused):
        return of.unknown(trail.arn, status, region=trail.home)
    if not status.get("IsLogging"):
        return of.not_applicable(trail.arn, "it does not log", trail.home)
    if fault := status.get(error):
        fix = setup_command(trail, of.scope) or (
            f"repair it, then see {error}: "
            + aws("cloudtrail", "get-trail-status", "--name", trail.arn, "--region", trail.home)
        )
        return of.failed(trail.arn, f"{error}: {fault}", fix, trail.home)
    last, now, recent = _time(status.get(time)), of.scope.now, of.scope.wanted.recent
    hours = f"{recent.total_seconds() / 3600:g} h"
    if last is not None and now - last <= recent:
        return of.passed(trail.arn, f"last delivered {to} at {_moment(last)}", trail.home)
    started = _time(status.get("StartLoggingTime"))
    if last is None and started is not None and now - started <= recent:
        return of.unknown(
            trail.arn,
            f"nothing was delivered {to} yet; it has logged since {_moment(started)}",
            "check again in an hour: CloudTrail delivers only where there is activity",
            trail.home,
        )
    evidence = f"last delivered {to} at {_moment(last)}" if last else f"never delivered {to}"
    return of.failed(
        trail.arn,
        f"{evidence}: over {hours} ago" if last else evidence,
        setup_command(trail, of.scope)
        or aws("cloudtrail", "get-trail-status", "--name", trail.arn, "--region", trail.home),
        trail.home,
    )


def _time(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%dT%H:%MZ}" if isinstance(value, datetime) else str(value)


def _validation(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if trail.described.get("LogFileValidationEnabled"):
        return of.passed(trail.arn, "LogFileValidationEnabled is true", trail.home)
    return of.failed(
        trail.arn,
        "LogFileValidationEnabled is false",
        setup_or(
            trail,
            of.scope,
            *("cloudtrail", "update-trail", "--name", trail.arn, "--enable-log-file-validation"),
        ),
        trail.home,
    )


def _digests(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if not trail.described.get("LogFileValidationEnabled"):
        return of.not_applicable(trail.arn, "log file validation is off", trail.home)
    return delivered(
        of,
        trail,
        "LatestDigestDeliveryTime",
        "LatestDigestDeliveryError",
        f"as a digest to bucket {trail.bucket}",
    )


def _kms(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if trail.key is None:
        fix = setup_command(trail, of.scope, "--kms") or aws(
            *("cloudtrail", "update-trail", "--name", trail.arn, "--kms-key-id", "KEY_ARN"),
            *("--region", trail.home),
        )
        return of.failed(trail.arn, "no KMS key: the bucket's own encryption", fix, trail.home)
    key, seen = trail.described["KmsKeyId"], trail.key.described
    if isinstance(seen, Refused):
        return of.unknown(key, seen, region=trail.home)
    state = seen.get("KeyState") if seen else "gone"
    if state == "Enabled":
        return of.passed(trail.arn, f"key {key}", trail.home)
    return of.failed(
        key,
        f"the key is {state}: files can't be written or read",
        aws("kms", "enable-key", "--key-id", str(key), "--region", trail.home),
        trail.home,
    )


def _rotation(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if trail.key is None:
        return of.not_applicable(trail.arn, "it has no KMS key", trail.home)
    key, described, rotates = (
        trail.described["KmsKeyId"],
        trail.key.described,
        trail.key.rotates,
    )
    if not isinstance(described, Refused) and (described or {}).get("KeyManager") == "AWS":
        return of.passed(key, "a key of AWS's own: rotated yearly", trail.home)
    if isinstance(rotates, Refused):
        return of.unknown(key, rotates, region=trail.home)
    if rotates:
        return of.passed(key, "rotation is on", trail.home)
    return of.failed(
        key,
        "rotation is off",
        setup_or(trail, of.scope, "kms", "enable-key-rotation", "--key-id", str(key)),
        trail.home,
    )


def _insights(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if isinstance(trail.insights, Refused):
        return of.unknown(trail.arn, trail.insights, region=trail.home)
    missing = [each for each in INSIGHTS if each not in trail.insights]
    if not missing:
        return of.passed(trail.arn, listed(sorted(trail.insights)), trail.home)
    selectors = ",".join(f'{{"InsightType":"{each}"}}' for each in INSIGHTS)
    return of.failed(
        trail.arn,
        f"without {listed(missing)}",
        setup_or(
            trail,
            of.scope,
            *("cloudtrail", "put-insight-selectors", "--trail-name", trail.arn),
            *("--insight-selectors", f"[{selectors}]"),
        ),
        trail.home,
    )


EVALUATORS: Final[Evaluators] = {
    "trail-logging": each_trail(_logging),
    "trail-delivery": each_trail(_delivery),
    "trail-validation": each_trail(_validation),
    "trail-digests": each_trail(_digests),
    "trail-kms": each_trail(_kms),
    "key-rotation": each_trail(_rotation),
    "trail-insights": each_trail(_insights),
}
