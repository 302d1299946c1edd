"""What calls of IAM and Roles Anywhere leave behind."""

from __future__ import annotations

from typing import Final

from detections.incidents.undoing.rows import (
    ARN,
    GROUP,
    ID,
    KEY,
    POLICY,
    POLICY_ARN,
    ROLE,
    USER,
    Rows,
    Undo,
    Value,
)

_PASSWORD: Final = Value("request.userName response.loginProfile.userName")
_PROFILE: Final = Value("request.instanceProfileName")
_ANCHOR: Final = Value("response.trustAnchor.trustAnchorId request.trustAnchorId", ID)
_ROLES_PROFILE: Final = Value("response.profile.profileId request.profileId", ID)


def _rights(holder: str, name: Value) -> Rows:
    title = holder.capitalize()
    return {
        ("iam", f"Attach{title}Policy"): (
            Undo(
                holder,
                f"detach the policy {{1}} from the {holder} {{0}}, unless it had it before",
                (name, POLICY_ARN),
                f"iam detach-{holder}-policy --{holder}-name {{0}} --policy-arn {{1}}",
                regional=False,
            ),
        ),
        ("iam", f"Put{title}Policy"): (
            Undo(
                holder,
                f"delete the inline policy {{1}} of the {holder} {{0}}, or put the former one back",
                (name, POLICY),
                f"iam delete-{holder}-policy --{holder}-name {{0}} --policy-name {{1}}",
                regional=False,
            ),
        ),
        ("iam", f"Create{title}"): (
            Undo(
                holder,
                f"delete the {holder} {{0}}, once all that it has is gone",
                (name,),
                f"iam delete-{holder} --{holder}-name {{0}}",
                regional=False,
                last=True,
            ),
        ),
    }


def _made_for_user(call: str, said: str, made: Value, option: str, command: str) -> Rows:
    """What authenticates a user, and can be made inactive by its id."""
    return {
        ("iam", call): (
            Undo(
                "key",
                f"deactivate the {said} {{0}} that was made for the user {{1}}",
                (made, Value(f"{made.paths.rpartition('.')[0]}.userName request.userName")),
                f"iam {command} --{option} {{0}} --user-name {{1}} --status Inactive",
                regional=False,
                first=True,
            ),
        )
    }


IDENTITY: Final[Rows] = {
    **_made_for_user(
        "CreateAccessKey",
        "access key",
        Value("response.accessKey.accessKeyId", KEY),
        "access-key-id",
        "update-access-key",
    ),
    **_made_for_user(
        "CreateServiceSpecificCredential",
        "service-specific credential (of Bedrock: an API key)",
        Value("response.serviceSpecificCredential.serviceSpecificCredentialId", KEY),
        "service-specific-credential-id",
        "update-service-specific-credential",
    ),
    **_made_for_user(
        "UploadSSHPublicKey",
        "SSH key",
        Value("response.sSHPublicKey.sSHPublicKeyId", KEY),
        "ssh-public-key-id",
        "update-ssh-public-key",
    ),
    **_made_for_user(
        "UploadSigningCertificate",
        "signing certificate",
        Value("response.certificate.certificateId", KEY),
        "certificate-id",
        "update-signing-certificate",
    ),
    ("iam", "ResetServiceSpecificCredential"): (
        Undo(
            "key",
            "deactivate the service-specific credential {0}, which has a new password",
            (Value("request.serviceSpecificCredentialId", KEY),),
            "iam update-service-specific-credential --service-specific-credential-id {0} "
            "--status Inactive",
            regional=False,
            first=True,
        ),
    ),
    **{
        ("iam", name): (
            Undo(
                "password",
                f"delete the console password that was {verb} for the user {{0}}",
                (_PASSWORD,),
                "iam delete-login-profile --user-name {0}",
                regional=False,
                first=True,
            ),
        )
        for name, verb in (("CreateLoginProfile", "made"), ("UpdateLoginProfile", "changed"))
    },
    ("iam", "EnableMFADevice"): (
        Undo(
            "MFA device",
            "take the MFA device {1} from the user {0}",
            (USER, Value("request.serialNumber", ARN)),
            "iam deactivate-mfa-device --user-name {0} --serial-number {1}",
            regional=False,
            first=True,
        ),
    ),
    ("iam", "DeactivateMFADevice"): (
        Undo(
            "MFA device",
            "have the user {0} register an MFA device anew: {1} was taken away",
            (USER, Value("request.serialNumber")),
            regional=False,
        ),
    ),
    **_rights("user", USER),
    **_rights("role", ROLE),
    **_rights("group", GROUP),
    ("iam", "UpdateAssumeRolePolicy"): (
        Undo(
            "role",
            "put the former trust policy of the role {0} back (a change history or template has "
            "it, the event does not), and revoke its sessions since",
            (ROLE,),
            regional=False,
            first=True,
        ),
    ),
    **{
        ("iam", name): (
            Undo(
                "policy",
                "set the default version of the policy {0} back to the one before",
                (POLICY_ARN,),
                regional=False,
            ),
        )
        for name in ("CreatePolicyVersion", "SetDefaultPolicyVersion")
    },
    ("iam", "AddUserToGroup"): (
        Undo(
            "user",
            "remove the user {0} from the group {1}",
            (USER, GROUP),
            "iam remove-user-from-group --user-name {0} --group-name {1}",
            regional=False,
        ),
    ),
    ("iam", "CreatePolicy"): (
        Undo(
            "policy",
            "delete the policy {0}",
            (Value("response.policy.arn", ARN),),
            "iam delete-policy --policy-arn {0}",
            regional=False,
            last=True,
        ),
    ),
    ("iam", "AddRoleToInstanceProfile"): (
        Undo(
            "instance profile",
            "take the role {1} out of the instance profile {0}",
            (_PROFILE, ROLE),
            "iam remove-role-from-instance-profile --instance-profile-name {0} --role-name {1}",
            regional=False,
        ),
    ),
    ("iam", "CreateInstanceProfile"): (
        Undo(
            "instance profile",
            "delete the instance profile {0}",
            (_PROFILE,),
            "iam delete-instance-profile --instance-profile-name {0}",
            regional=False,
            last=True,
        ),
    ),
    **{
        ("iam", f"Delete{holder.capitalize()}PermissionsBoundary"): (
            Undo(
                holder,
                f"give the {holder} {{0}} its permissions boundary again",
                (name,),
                regional=False,
            ),
        )
        for holder, name in (("user", USER), ("role", ROLE))
    },
    ("iam", "CreateSAMLProvider"): (
        Undo(
            "provider",
            "delete the identity provider {0}",
            (Value("response.sAMLProviderArn", ARN),),
            "iam delete-saml-provider --saml-provider-arn {0}",
            regional=False,
            first=True,
        ),
    ),
    ("iam", "CreateOpenIDConnectProvider"): (
        Undo(
            "provider",
            "delete the identity provider {0}",
            (Value("response.openIDConnectProviderArn", ARN),),
            "iam delete-open-id-connect-provider --open-id-connect-provider-arn {0}",
            outsider="request.url",
            regional=False,
            first=True,
        ),
    ),
    **{
        ("iam", name): (
            Undo(
                "provider",
                "set the identity provider {0} back to what it was: whoever has its new keys or "
                "clients can take on the roles that trust it",
                (Value("request.sAMLProviderArn request.openIDConnectProviderArn", ARN),),
                regional=False,
                first=True,
            ),
        )
        for name in (
            "UpdateSAMLProvider",
            "AddClientIDToOpenIDConnectProvider",
            "UpdateOpenIDConnectProviderThumbprint",
        )
    },
    **{
        ("rolesanywhere", name): (
            Undo(
                "trust anchor",
                "disable the trust anchor {0}: whoever has a certificate of its authority gets "
                "sessions of the roles of every profile",
                (_ANCHOR,),
                "rolesanywhere disable-trust-anchor --trust-anchor-id {0}",
                first=True,
            ),
        )
        for name in ("CreateTrustAnchor", "UpdateTrustAnchor", "EnableTrustAnchor")
    },
    **{
        ("rolesanywhere", name): (
            Undo(
                "profile",
                "disable the profile {0} of Roles Anywhere, which gives the roles {1}",
                (_ROLES_PROFILE, Value("request.roleArns response.profile.roleArns", ARN)),
                "rolesanywhere disable-profile --profile-id {0}",
                first=True,
            ),
        )
        for name in ("CreateProfile", "UpdateProfile", "EnableProfile")
    },
}
