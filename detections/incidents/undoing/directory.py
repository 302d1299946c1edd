"""What calls of Identity Center, Organizations, resource shares and user pools leave behind."""

from __future__ import annotations

from typing import Final

from detections.incidents.undoing.rows import ACCOUNT, ARN, ID, Rows, Undo, Value

_INSTANCE: Final = Value("request.instanceArn", ARN)
_SET: Final = Value("request.permissionSetArn response.permissionSet.permissionSetArn", ARN)
_ASSIGNED: Final = (
    Value("request.principalId", ID),
    Value("request.targetId", ACCOUNT),
    _SET,
    Value("request.principalType", ID),
    _INSTANCE,
)
_STORE: Final = Value("request.identityStoreId response.user.identityStoreId", ID)
_PERSON: Final = Value("response.user.userId response.userId request.userId", ID)
_MEMBERSHIP: Final = Value("response.membershipId", ID)
_POOL: Final = Value("request.userPoolId", ID)


def _of_store(call: str, *rows: Undo) -> Rows:
    """Calls of the directory, by either of its interfaces."""
    return {(service, call): rows for service in ("sso-directory", "identitystore")}


DIRECTORY: Final[Rows] = {
    ("sso", "CreatePermissionSet"): (
        Undo(
            "permission set",
            "delete the permission set {0}, once all of its assignments are gone",
            (_SET, _INSTANCE),
            "sso-admin delete-permission-set --permission-set-arn {0} --instance-arn {1}",
            last=True,
        ),
    ),
    ("sso", "AttachManagedPolicyToPermissionSet"): (
        Undo(
            "permission set",
            "detach the policy {1} from the permission set {0}, and provision it to its accounts",
            (_SET, Value("request.managedPolicyArn", ARN), _INSTANCE),
            "sso-admin detach-managed-policy-from-permission-set --permission-set-arn {0} "
            "--managed-policy-arn {1} --instance-arn {2}",
        ),
    ),
    ("sso", "AttachCustomerManagedPolicyReferenceToPermissionSet"): (
        Undo(
            "permission set",
            "detach the policy {1} from the permission set {0}, and provision it to its accounts",
            (_SET, Value("request.customerManagedPolicyReference.name")),
        ),
    ),
    ("sso", "PutInlinePolicyToPermissionSet"): (
        Undo(
            "permission set",
            "put the former inline policy of the permission set {0} back, or delete it if there "
            "was none, and provision it to its accounts",
            (_SET,),
        ),
    ),
    ("sso", "CreateAccountAssignment"): (
        Undo(
            "assignment",
            "take the assignment of {3} {0} to the account {1} back (permission set {2})",
            _ASSIGNED,
            "sso-admin delete-account-assignment --principal-id {0} --target-id {1} "
            "--permission-set-arn {2} --principal-type {3} --instance-arn {4} "
            "--target-type AWS_ACCOUNT",
            first=True,
        ),
    ),
    **_of_store(
        "CreateUser",
        Undo(
            "person",
            "delete the person {0} of Identity Center, or disable their access in its console",
            (_PERSON, _STORE),
            "identitystore delete-user --user-id {0} --identity-store-id {1}",
            first=True,
        ),
    ),
    **_of_store(
        "CreateGroupMembership",
        Undo(
            "membership",
            "take the membership {0} in a group of Identity Center back",
            (_MEMBERSHIP, _STORE),
            "identitystore delete-group-membership --membership-id {0} --identity-store-id {1}",
            first=True,
        ),
    ),
    **_of_store(
        "AddMemberToGroup",
        Undo(
            "group",
            "take the member {1} out of the group {0} of Identity Center",
            (
                Value("request.groupId", ID),
                Value("request.member.memberId request.memberId.userId", ID),
            ),
            first=True,
        ),
    ),
    **_of_store(
        "UpdatePassword",
        Undo(
            "person",
            "disable the access of the person {0} of Identity Center in its console, and set a new "
            "password: theirs was changed",
            (Value("request.userId", ID),),
            first=True,
        ),
    ),
    ("organizations", "RegisterDelegatedAdministrator"): (
        Undo(
            "account",
            "take the administration of {1} from the account {0}",
            (Value("request.accountId", ACCOUNT), Value("request.servicePrincipal", ID)),
            "organizations deregister-delegated-administrator --account-id {0} "
            "--service-principal {1}",
            outsider="request.accountId",
            regional=False,
        ),
    ),
    ("organizations", "InviteAccountToOrganization"): (
        Undo(
            "handshake",
            "cancel the invitation {0}",
            (Value("response.handshake.id", ID),),
            "organizations cancel-handshake --handshake-id {0}",
            outsider="request.target.id",
            regional=False,
        ),
    ),
    ("organizations", "InviteOrganizationToTransferResponsibility"): (
        Undo(
            "handshake",
            "cancel the invitation {0} to pay each other’s bills",
            (Value("response.handshake.id", ID),),
            "organizations cancel-handshake --handshake-id {0}",
            outsider="request.target.id",
            regional=False,
        ),
    ),
    ("organizations", "AcceptHandshake"): (
        Undo(
            "handshake",
            "ask AWS Support to undo what the accepted handshake {0} did: the account is of "
            "another organization, or pays for one",
            (Value("request.handshakeId response.handshake.id", ID),),
            regional=False,
        ),
    ),
    ("organizations", "CreateAccount"): (
        Undo(
            "account",
            "close the account that was made ({0}), once you know what is in it",
            (Value("response.createAccountStatus.id", ID),),
            regional=False,
            last=True,
        ),
    ),
    ("organizations", "DetachPolicy"): (
        Undo(
            "target",
            "attach the policy {1} to {0} again",
            (Value("request.targetId", ID), Value("request.policyId", ID)),
            "organizations attach-policy --target-id {0} --policy-id {1}",
            regional=False,
            first=True,
        ),
    ),
    ("ram", "CreateResourceShare"): (
        Undo(
            "resource share",
            "delete the resource share {0}",
            (Value("response.resourceShare.resourceShareArn", ARN),),
            "ram delete-resource-share --resource-share-arn {0}",
            outsider="request.principals",
        ),
    ),
    ("ram", "AssociateResourceShare"): (
        Undo(
            "resource share",
            "take {1} out of the resource share {0}",
            (Value("request.resourceShareArn", ARN), Value("request.principals", ACCOUNT)),
            "ram disassociate-resource-share --resource-share-arn {0} --principals {1}",
            outsider="request.principals",
        ),
    ),
    **{
        ("cognito-idp", name): (
            Undo(
                "user pool",
                f"find the users of the user pool {{0}} {whose}, disable and sign them out: the "
                "event does not name them",
                (_POOL,),
                first=True,
            ),
        )
        for name, whose in (
            ("AdminCreateUser", "that were made"),
            ("AdminSetUserPassword", "whose password was set"),
            ("AdminUpdateUserAttributes", "whose attributes were changed"),
        )
    },
    ("cognito-idp", "UpdateUserPoolClient"): (
        Undo(
            "client",
            "set the client {0} of the user pool {1} back: sign-ins can be sent elsewhere",
            (Value("request.clientId", ID), _POOL),
            outsider="request.callbackURLs",
            way="they are sent to",
        ),
    ),
}
