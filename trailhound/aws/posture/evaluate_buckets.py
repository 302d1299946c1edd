"""Checks of the buckets that trails write to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from trailhound.aws.posture.collect import BLOCKS, blocks
from trailhound.aws.posture.facts import BucketFacts, Refused, Reply, TrailFacts
from trailhound.aws.posture.finding_builder import (
    OWNER,
    Evaluator,
    Evaluators,
    FindingBuilder,
    aws,
    listed,
    setup_command,
    statements,
    texts,
    without_trails,
)
from trailhound.plural import plural
from trailhound.posture import PostureFinding

_PUBLIC_GROUPS: Final = ("/AllUsers", "/AuthenticatedUsers")
_SOMEBODY: Final = re.compile(r"\d{12}|o-[a-z0-9]{10}")
"""An account or an organisation, in an ARN or alone."""
_WRITER: Final = "cloudtrail.amazonaws.com"
_LOCK: Final = (
    '{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":365}}}'
)

BucketEvaluator = Callable[[FindingBuilder, BucketFacts, TrailFacts], PostureFinding]
"""A check of one bucket, with the first trail that writes to it."""


def _each_bucket(evaluator: BucketEvaluator) -> Evaluator:
    """A check of one bucket as a check of those of all trails that are evaluated in an account."""

    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        for name in of.scope.buckets:
            bucket = of.scope.bucket(name)
            trail = next(each for each in of.scope.trails if each.bucket == name)
            if bucket is not None:
                found = evaluator(of, bucket, trail)
                yield _of_another(of, found) if not of.scope.owns(name) else found
        yield from without_trails(of)

    return evaluate


def _of_another(of: FindingBuilder, found: PostureFinding) -> PostureFinding:
    """A bucket that is not shown to be ours, and that refuses us, is perhaps another account's."""
    if found.verdict != "unknown" or isinstance(of.scope.account.own_buckets, Refused):
        return found
    return of.unknown(
        found.resource,
        f"{found.evidence}; the bucket belongs to another account",
        OWNER,
    )


def _fixed(of: FindingBuilder, trail: TrailFacts, call: str, *more: str) -> str:
    """By our set-up, or by a call of S3's API."""
    return setup_command(trail, of.scope) or aws("s3api", call, "--bucket", trail.bucket, *more)


def _public_access(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    """Blocked on the bucket, or on all buckets of the account."""
    own, account = bucket.public_access, _owner_block(of, bucket)
    both: list[Reply] = [
        each for each in (own, account) if each is not None and not isinstance(each, Refused)
    ]
    left = [name for name in BLOCKS if not any(each.get(name) for each in both)]
    if not left:
        by = "on the bucket" if blocks(bucket) else "on the account"
        return of.passed(bucket.name, f"all four blocks are on, {by}")
    for seen in (own, account):
        if isinstance(seen, Refused):
            return of.unknown(bucket.name, seen)
    return of.failed(
        bucket.name,
        f"not set: {', '.join(left)}",
        _fixed(
            *(of, trail, "put-public-access-block", "--public-access-block-configuration"),
            ",".join(f"{name}=true" for name in BLOCKS),
        ),
    )


def _owner_block(of: FindingBuilder, bucket: BucketFacts) -> Reply | Refused | None:
    """The block of all buckets of the account that owns it."""
    for account in of.scope.others.values():
        if not isinstance(account.own_buckets, Refused) and bucket.name in account.own_buckets:
            return account.account_block
    return None


def _not_public(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    granted = [] if isinstance(bucket.grants, Refused) else bucket.grants
    public = sorted(
        {
            f"{each['Permission']} to {each['Grantee']['URI'].rpartition('/')[2]}"
            for each in granted
            if str(each.get("Grantee", {}).get("URI", "")).endswith(_PUBLIC_GROUPS)
        }
    )
    if public:
        return of.failed(
            bucket.name,
            f"its ACL grants {listed(public)}",
            aws("s3api", "put-bucket-acl", "--bucket", bucket.name, "--acl", "private"),
        )
    if bucket.is_public is True:
        return of.failed(
            bucket.name,
            "GetBucketPolicyStatus: its policy is public",
            _fixed(of, trail, "delete-bucket-policy"),
        )
    for seen in (bucket.grants, bucket.is_public):
        if isinstance(seen, Refused):
            return of.unknown(bucket.name, seen)
    return of.passed(bucket.name, "neither its ACL nor its policy is public")


def _policy(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    if isinstance(bucket.policy, Refused):
        return of.unknown(bucket.name, bucket.policy)
    writing = [
        each
        for each in statements(bucket.policy)
        if each.get("Effect") == "Allow"
        and _WRITER in _principals(each, "Service")
        and _allows(each, "s3:PutObject")
    ]
    fix = setup_command(trail, of.scope) or (
        f"write a policy with aws:SourceArn {trail.arn}, then: "
        + aws("s3api", "put-bucket-policy", "--bucket", bucket.name, "--policy", "file://p.json")
    )
    if not writing:
        return of.failed(bucket.name, "no statement lets CloudTrail write", fix)
    loose = [each for each in writing if not _names_source(each)]
    if loose:
        sid = loose[0].get("Sid") or "without a Sid"
        evidence = f"statement {sid} names neither aws:SourceArn nor aws:SourceAccount"
        return of.failed(bucket.name, evidence, fix)
    return of.passed(bucket.name, "CloudTrail may write, for named trails alone")


def _names_source(statement: Reply) -> bool:
    """Whether a condition names the trail or its account."""
    keys = {
        key.lower(): texts(value)
        for operator, pairs in (statement.get("Condition") or {}).items()
        if not operator.lower().endswith("ifexists") and "not" not in operator.lower()
        for key, value in pairs.items()
    }
    named = [
        text
        for key in ("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid")
        for text in keys.get(key, ())
    ]
    return bool(named) and all(_SOMEBODY.search(text) for text in named)


def _tls(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    """A statement denies all of S3 to everybody without TLS, for the bucket and its objects."""
    if isinstance(bucket.policy, Refused):
        return of.unknown(bucket.name, bucket.policy)
    arn = f"arn:{of.scope.account.partition}:s3:::{bucket.name}"
    denied: set[str] = set()
    for each in statements(bucket.policy):
        if (
            each.get("Effect") == "Deny"
            and _is_everybody(each)
            and {"s3:*", "*"} & {text.lower() for text in texts(each.get("Action"))}
            and _asks_for_tls(each)
        ):
            denied |= {
                place
                for place in (arn, f"{arn}/a")
                if any(fnmatchcase(place, text) for text in texts(each.get("Resource")))
            }
    if len(denied) == 2:
        return of.passed(bucket.name, "denied where aws:SecureTransport is false")
    what = "no statement denies requests without TLS"
    if denied:
        what = "the denial is of " + ("its objects alone" if arn not in denied else "itself alone")
    statement = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    fix = setup_command(trail, of.scope) or f"add to its policy: {json.dumps(statement)}"
    return of.failed(bucket.name, what, fix)


def _asks_for_tls(statement: Reply) -> bool:
    conditions = statement.get("Condition") or {}
    if len(conditions) != 1:
        return False
    ((operator, pairs),) = conditions.items()
    return operator.lower() in ("bool", "boolifexists") and {
        key.lower(): [text.lower() for text in texts(value)] for key, value in pairs.items()
    } == {"aws:securetransport": ["false"]}


def _principals(statement: Reply, kind: str) -> list[str]:
    principal = statement.get("Principal")
    return texts(principal.get(kind) or []) if isinstance(principal, dict) else []


def _is_everybody(statement: Reply) -> bool:
    return statement.get("Principal") == "*" or "*" in _principals(statement, "AWS")


def _allows(statement: Reply, action: str) -> bool:
    return any(fnmatchcase(action.lower(), text.lower()) for text in texts(statement.get("Action")))


def _versioning(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    if isinstance(bucket.versioning, Refused):
        return of.unknown(bucket.name, bucket.versioning)
    state = bucket.versioning.get("Status") or "never enabled"
    if state == "Enabled":
        return of.passed(bucket.name, "versioning is enabled")
    more = ("--versioning-configuration", "Status=Enabled")
    return of.failed(
        bucket.name,
        f"versioning is {state.lower()}",
        _fixed(of, trail, "put-bucket-versioning", *more),
    )


def _delete_protection(
    of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts
) -> PostureFinding:
    """Object lock with a default retention, or MFA delete: CIS names the second alone."""
    lock, versioning = bucket.lock, bucket.versioning
    retention = (
        {} if isinstance(lock, Refused) else (lock or {}).get("Rule", {}).get("DefaultRetention")
    ) or {}
    if not isinstance(versioning, Refused) and versioning.get("MFADelete") == "Enabled":
        return of.passed(bucket.name, "MFA delete is enabled")
    if retention:
        time = plural(int(retention["Days"]), "day") if retention.get("Days") else ""
        time = time or plural(int(retention.get("Years") or 0), "year")
        mode = retention.get("Mode", "")
        return of.passed(
            bucket.name, f"object lock, {mode} for {time} (CIS 2.1.2 names MFA delete alone)"
        )
    for seen in (lock, versioning):
        if isinstance(seen, Refused):
            return of.unknown(bucket.name, seen)
    return of.failed(
        bucket.name,
        "neither MFA delete nor an object lock with a default retention",
        setup_command(trail, of.scope, "--object-lock", "365")
        or aws(
            *("s3api", "put-object-lock-configuration", "--bucket", bucket.name),
            *("--object-lock-configuration", _LOCK),
        ),
    )


def _encrypted(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    seen = bucket.encryption
    if isinstance(seen, Refused):
        return of.unknown(bucket.name, seen)
    by = [
        str(each["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"])
        for each in (seen or {}).get("Rules") or ()
        if each.get("ApplyServerSideEncryptionByDefault")
    ]
    if by:
        return of.passed(bucket.name, f"by default with {listed(by)}")
    more = (
        "--server-side-encryption-configuration",
        '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}',
    )
    fix = _fixed(of, trail, "put-bucket-encryption", *more)
    return of.failed(bucket.name, "no default encryption is set", fix)


def _access_log(of: FindingBuilder, bucket: BucketFacts, _trail: TrailFacts) -> PostureFinding:
    seen = bucket.access_log
    if isinstance(seen, Refused):
        return of.unknown(bucket.name, seen)
    target = (seen or {}).get("TargetBucket")
    configuration = (
        '{"LoggingEnabled":{"TargetBucket":"OTHER_BUCKET","TargetPrefix":"' + bucket.name + '/"}}'
    )
    fix = aws(
        *("s3api", "put-bucket-logging", "--bucket", bucket.name),
        *("--bucket-logging-status", configuration),
    )
    if target == bucket.name:
        return of.failed(bucket.name, "it logs to itself: each log is a request to log", fix)
    if target:
        return of.passed(bucket.name, f"to bucket {target}")
    return of.failed(bucket.name, "server access logging is off", fix)


def _retention(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    if isinstance(bucket.lifecycle, Refused):
        return of.unknown(bucket.name, bucket.lifecycle)
    keep = of.scope.wanted.keep_days
    early = []
    for rule in _about(bucket.lifecycle, trail):
        expiration = rule.get("Expiration") or {}
        if expiration.get("Date"):
            early.append(f"rule {_id(rule)} expires them at {expiration['Date']}")
        elif expiration.get("Days") and expiration["Days"] < keep:
            early.append(f"rule {_id(rule)} expires them after {plural(expiration['Days'], 'day')}")
    if early:
        return of.failed(
            bucket.name,
            f"{listed(early, 2)}; required: {plural(keep, 'day')}",
            "change the rule: "
            + aws("s3api", "get-bucket-lifecycle-configuration", "--bucket", bucket.name),
        )
    ends = sorted(
        rule["Expiration"]["Days"]
        for rule in _about(bucket.lifecycle, trail)
        if (rule.get("Expiration") or {}).get("Days")
    )
    kept = f"for {plural(ends[0], 'day')}" if ends else "for ever: no rule expires them"
    return of.passed(bucket.name, f"files stay {kept}")


def _lifecycle(of: FindingBuilder, bucket: BucketFacts, trail: TrailFacts) -> PostureFinding:
    if isinstance(bucket.lifecycle, Refused):
        return of.unknown(bucket.name, bucket.lifecycle)
    steps = [
        f"{each['StorageClass']} after {plural(each.get('Days', 0), 'day')}"
        for rule in _about(bucket.lifecycle, trail)
        for each in rule.get("Transitions") or ()
    ]
    steps += [
        f"gone after {plural(rule['Expiration']['Days'], 'day')}"
        for rule in _about(bucket.lifecycle, trail)
        if (rule.get("Expiration") or {}).get("Days")
    ]
    if steps:
        return of.passed(bucket.name, listed(steps))
    more = ("--lifecycle-configuration", "file://lifecycle.json")
    return of.failed(
        bucket.name,
        "no rule moves or ends the trail's files",
        _fixed(of, trail, "put-bucket-lifecycle-configuration", *more),
    )


def _about(rules: Any, trail: TrailFacts) -> list[Reply]:
    """The enabled rules that apply to a trail's files; one with tags does not, since CloudTrail
    sets no tags."""
    folder = str(trail.described.get("S3KeyPrefix") or "").strip("/")
    folder = f"{folder}/AWSLogs/" if folder else "AWSLogs/"
    found = []
    for rule in rules:
        given = rule.get("Filter") or {}
        both = given.get("And") or given
        prefix = str(both.get("Prefix") or rule.get("Prefix") or "")
        if rule.get("Status") != "Enabled" or both.get("Tag") or both.get("Tags"):
            continue
        if folder.startswith(prefix) or prefix.startswith(folder):
            found.append(rule)
    return found


def _id(rule: Reply) -> str:
    return str(rule.get("ID") or "without an ID")


EVALUATORS: Final[Evaluators] = {
    "bucket-public-access": _each_bucket(_public_access),
    "bucket-not-public": _each_bucket(_not_public),
    "bucket-policy": _each_bucket(_policy),
    "bucket-tls": _each_bucket(_tls),
    "bucket-versioning": _each_bucket(_versioning),
    "bucket-delete-protection": _each_bucket(_delete_protection),
    "bucket-encrypted": _each_bucket(_encrypted),
    "bucket-access-log": _each_bucket(_access_log),
    "bucket-retention": _each_bucket(_retention),
    "bucket-lifecycle": _each_bucket(_lifecycle),
}
