"""Which command takes away what a call made: by service and call, with where the call's record has
the names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

NAME: Final = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
"""What AWS allows as the name of a user, role, group or policy."""
_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}|aws):[\w+=,.@:/-]{1,512}", re.ASCII)
KEY: Final = re.compile(r"[A-Z0-9]{16,128}")
"""What the id of an access key looks like."""
_FUNCTION: Final = re.compile(
    r"(arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:)?[\w-]{1,64}", re.ASCII
)
_TRAIL: Final = re.compile(
    r"(arn:aws[a-z-]*:cloudtrail:[a-z0-9-]+:\d{12}:trail/)?[\w.-]{3,128}", re.ASCII
)
_EC2: Final = re.compile(r"(i|sg|sgr|snap|ami)-[0-9a-f]{8,17}")
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Undo:
    """`values`: for each value of the command the paths in the record that have it, the first that
    is there counts; `forms`: what AWS allows for each. `{0}` of `what` and `command` is the first.
    `thing` is the kind of what `{0}` names. `first`: it is about credentials; `last`: only once its
    rights are gone can it be removed."""

    thing: str
    what: str
    command: str
    values: tuple[tuple[str, ...], ...]
    forms: tuple[re.Pattern[str], ...]
    regional: bool = False
    first: bool = False
    last: bool = False


_USER: Final = ("requestParameters.userName",)
_ROLE: Final = ("requestParameters.roleName",)
_GROUP: Final = ("requestParameters.groupName",)
_POLICY_ARN: Final = ("requestParameters.policyArn",)
_POLICY: Final = ("requestParameters.policyName",)
_PASSWORD: Final = ("requestParameters.userName", "responseElements.loginProfile.userName")


def _rights(holder: str, path: tuple[str, ...]) -> dict[tuple[str, str], Undo]:
    title = holder.capitalize()
    return {
        ("iam", f"Attach{title}Policy"): Undo(
            holder,
            f"detach the policy {{1}} from the {holder} {{0}}",
            f"iam detach-{holder}-policy --{holder}-name {{0}} --policy-arn {{1}}",
            (path, _POLICY_ARN),
            (NAME, _ARN),
        ),
        ("iam", f"Put{title}Policy"): Undo(
            holder,
            f"delete the inline policy {{1}} of the {holder} {{0}}",
            f"iam delete-{holder}-policy --{holder}-name {{0}} --policy-name {{1}}",
            (path, _POLICY),
            (NAME, NAME),
        ),
        ("iam", f"Create{title}"): Undo(
            holder,
            f"delete the {holder} {{0}}, once all that it has is gone",
            f"iam delete-{holder} --{holder}-name {{0}}",
            (path,),
            (NAME,),
            last=True,
        ),
    }


_RULES: Final = "responseElements.securityGroupRuleSet.items.securityGroupRuleId"

GONE: Final[Mapping[tuple[str, str], Undo]] = MappingProxyType(
    {
        ("iam", "CreateAccessKey"): Undo(
            "key",
            "deactivate the access key {0} that was made for the user {1}",
            "iam update-access-key --access-key-id {0} --user-name {1} --status Inactive",
            (
                ("responseElements.accessKey.accessKeyId",),
                ("responseElements.accessKey.userName",),
            ),
            (KEY, NAME),
            first=True,
        ),
        **{
            ("iam", name): Undo(
                "password",
                f"delete the console password that was {verb} for the user {{0}}",
                "iam delete-login-profile --user-name {0}",
                (_PASSWORD,),
                (NAME,),
                first=True,
            )
            for name, verb in (("CreateLoginProfile", "made"), ("UpdateLoginProfile", "changed"))
        },
        **_rights("user", _USER),
        **_rights("role", _ROLE),
        **_rights("group", _GROUP),
        ("iam", "AddUserToGroup"): Undo(
            "user",
            "remove the user {0} from the group {1}",
            "iam remove-user-from-group --user-name {0} --group-name {1}",
            (_USER, _GROUP),
            (NAME, NAME),
        ),
        ("iam", "CreatePolicy"): Undo(
            "policy",
            "delete the policy {0}",
            "iam delete-policy --policy-arn {0}",
            (("responseElements.policy.arn",),),
            (_ARN,),
            last=True,
        ),
        ("iam", "CreateSAMLProvider"): Undo(
            "provider",
            "delete the identity provider {0}",
            "iam delete-saml-provider --saml-provider-arn {0}",
            (("responseElements.sAMLProviderArn",),),
            (_ARN,),
        ),
        ("iam", "CreateOpenIDConnectProvider"): Undo(
            "provider",
            "delete the identity provider {0}",
            "iam delete-open-id-connect-provider --open-id-connect-provider-arn {0}",
            (("responseElements.openIDConnectProviderArn",),),
            (_ARN,),
        ),
        ("lambda", "CreateFunction20150331"): Undo(
            "function",
            "delete the function {0}, after a copy of its code is kept",
            "lambda delete-function --function-name {0}",
            (("responseElements.functionArn", "requestParameters.functionName"),),
            (_FUNCTION,),
            regional=True,
        ),
        ("lambda", "AddPermission20150331v2"): Undo(
            "function",
            "remove the permission {1} from the function {0}",
            "lambda remove-permission --function-name {0} --statement-id {1}",
            (("requestParameters.functionName",), ("requestParameters.statementId",)),
            (_FUNCTION, NAME),
            regional=True,
        ),
        ("ec2", "RunInstances"): Undo(
            "instance",
            "stop {0}, which keeps the disks as evidence",
            "ec2 stop-instances --instance-ids {0}",
            (("responseElements.instancesSet.items.instanceId",),),
            (_EC2,),
            regional=True,
        ),
        **{
            ("ec2", f"AuthorizeSecurityGroup{way}"): Undo(
                "security group",
                f"take the {way.lower()} rules {{1}} from the security group {{0}}",
                f"ec2 revoke-security-group-{way.lower()} --group-id {{0}} "
                "--security-group-rule-ids {1}",
                (("requestParameters.groupId",), (_RULES,)),
                (_EC2, _EC2),
                regional=True,
            )
            for way in ("Ingress", "Egress")
        },
        ("ec2", "CreateSecurityGroup"): Undo(
            "security group",
            "delete the security group {0}, once nothing uses it",
            "ec2 delete-security-group --group-id {0}",
            (("responseElements.groupId",),),
            (_EC2,),
            regional=True,
            last=True,
        ),
        ("ec2", "ModifySnapshotAttribute"): Undo(
            "snapshot",
            "no longer share the snapshot {0} with the accounts {1}",
            "ec2 modify-snapshot-attribute --snapshot-id {0} --attribute createVolumePermission "
            "--operation-type remove --user-ids {1}",
            (
                ("requestParameters.snapshotId",),
                ("requestParameters.createVolumePermission.add.items.userId",),
            ),
            (_EC2, _ACCOUNT),
            regional=True,
        ),
        ("cloudtrail", "StopLogging"): Undo(
            "trail",
            "start the trail {0} again",
            "cloudtrail start-logging --name {0}",
            (("requestParameters.name",),),
            (_TRAIL,),
            regional=True,
            first=True,
        ),
    }
)
"""By service (the beginning of `eventSource`) and call."""

UNDONE_BY: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = MappingProxyType(
    {
        "DeleteAccessKey": ("key", ("requestParameters.accessKeyId",)),
        "DeleteLoginProfile": ("password", _USER),
        "DeleteUser": ("user", _USER),
        "DeleteRole": ("role", _ROLE),
        "DeleteGroup": ("group", _GROUP),
        "DeletePolicy": ("policy", _POLICY_ARN),
        "StartLogging": ("trail", ("requestParameters.name",)),
        "DeleteTrail": ("trail", ("requestParameters.name",)),
        "TerminateInstances": ("instance", ("requestParameters.instancesSet.items.instanceId",)),
    }
)
"""Call → the kind of thing that it takes away itself, and where its record has the name."""


KNOWN: Final = frozenset({*(call for _, call in GONE), *UNDONE_BY})
"""The calls that are read of an incident."""
LOST: Final = frozenset({"DeleteTrail"})
"""Those of them that are harm of their own: what is gone has to be made anew."""


def values_at(event: Mapping[str, Any], paths: Sequence[str]) -> list[str]:
    """The texts at the first path that has any; lists are gone through.

    >>> values_at({"a": {"items": [{"id": "x"}, {"id": "y"}]}}, ("b", "a.items.id"))
    ['x', 'y']
    """
    for path in paths:
        found: list[Any] = [event]
        for part in path.split("."):
            inner = (each.get(part) for each in found if isinstance(each, Mapping))
            found = list(
                chain.from_iterable(each if isinstance(each, list) else [each] for each in inner)
            )
        if texts := [each for each in found if isinstance(each, str) and each]:
            return texts
    return []
