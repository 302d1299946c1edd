"""All calls that are known to leave something behind, and those that take it away again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from detections.incidents.undoing.compute import COMPUTE
from detections.incidents.undoing.data import DATA
from detections.incidents.undoing.directory import DIRECTORY
from detections.incidents.undoing.identity import IDENTITY
from detections.incidents.undoing.rows import Rows, Undo
from detections.incidents.undoing.sharing import SHARING
from detections.incidents.undoing.watching import WATCHING

GONE: Final[Rows] = MappingProxyType(
    {**IDENTITY, **DIRECTORY, **COMPUTE, **DATA, **SHARING, **WATCHING}
)

UNDONE_BY: Final[Mapping[tuple[str, str], tuple[str, str]]] = MappingProxyType(
    {
        ("iam", "DeleteAccessKey"): ("key", "request.accessKeyId"),
        ("iam", "DeleteServiceSpecificCredential"): ("key", "request.serviceSpecificCredentialId"),
        ("iam", "DeleteSSHPublicKey"): ("key", "request.sSHPublicKeyId"),
        ("iam", "DeleteSigningCertificate"): ("key", "request.certificateId"),
        ("iam", "DeleteLoginProfile"): ("password", "request.userName"),
        ("iam", "DeleteUser"): ("user", "request.userName"),
        ("iam", "DeleteRole"): ("role", "request.roleName"),
        ("iam", "DeleteGroup"): ("group", "request.groupName"),
        ("iam", "DeletePolicy"): ("policy", "request.policyArn"),
        ("iam", "DeleteInstanceProfile"): ("instance profile", "request.instanceProfileName"),
        ("rolesanywhere", "DeleteTrustAnchor"): ("trust anchor", "request.trustAnchorId"),
        ("rolesanywhere", "DisableTrustAnchor"): ("trust anchor", "request.trustAnchorId"),
        ("rolesanywhere", "DeleteProfile"): ("profile", "request.profileId"),
        ("rolesanywhere", "DisableProfile"): ("profile", "request.profileId"),
        ("sso", "DeletePermissionSet"): ("permission set", "request.permissionSetArn"),
        ("sso-directory", "DeleteUser"): ("person", "request.userId"),
        ("identitystore", "DeleteUser"): ("person", "request.userId"),
        ("kms", "RevokeGrant"): ("grant", "request.grantId"),
        ("kms", "RetireGrant"): ("grant", "request.grantId"),
        ("cloudtrail", "StartLogging"): ("logging", "request.name"),
        ("cloudtrail", "DeleteTrail"): ("trail|logging", "request.name"),
        ("ec2", "TerminateInstances"): ("instance", "request.instancesSet.items.instanceId"),
        ("ec2", "DeleteSecurityGroup"): ("security group", "request.groupId"),
        ("ec2", "DeleteVpcPeeringConnection"): ("peering", "request.vpcPeeringConnectionId"),
        ("events", "DeleteRule"): ("rule", "request.name"),
        ("guardduty", "DeleteFilter"): ("filter", "request.filterName"),
        ("ssm", "TerminateSession"): ("session", "request.sessionId"),
    }
)
"""Call → the kinds of things that it takes away itself, and where its record has the name. Not a
snapshot or an image that is deleted: the copy of whoever it was shared with stays."""

KNOWN: Final = frozenset({*(call for _, call in GONE), *(call for _, call in UNDONE_BY)})
"""The calls that are read of an incident."""


def left_by(service: str, call: str) -> tuple[Undo, ...]:
    """What a call leaves behind, of which those count whose values the event has."""
    return GONE.get((service, call), ())
