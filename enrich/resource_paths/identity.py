"""Identity and accounts: where their calls name their resources. See `enrich.resource_paths`."""

from __future__ import annotations

PATHS: dict[str, dict[str, dict[str, str]]] = {
    "iam": {
        "*": {
            "user": (
                "request.userName request.newUserName response.accessKey.userName "
                "response.user.userName"
            ),
            "group": "request.groupName request.newGroupName response.group.groupName",
            "role": "request.roleName response.role.roleName",
            "policy": (
                "request.policyName request.policyArn request.permissionsBoundary "
                "response.policy.policyName"
            ),
            "arn": (
                "request.policySourceArn request.sAMLProviderArn "
                "request.openIDConnectProviderArn response.user.arn response.role.arn "
                "response.group.arn response.policy.arn response.instanceProfile.arn "
                "response.sAMLProviderArn response.openIDConnectProviderArn"
            ),
            "access_key": "request.accessKeyId response.accessKey.accessKeyId",
            "id": (
                "request.instanceProfileName request.serialNumber request.certificateId "
                "request.serverCertificateName request.sSHPublicKeyId "
                "request.serviceSpecificCredentialId "
                "response.instanceProfile.instanceProfileName "
                "response.virtualMFADevice.serialNumber"
            ),
        },
    },
    "sts": {
        "*": {
            "role": "request.roleArn",
            "arn": "request.principalArn response.assumedRoleUser.arn response.federatedUser.arn",
            "target": "request.targetPrincipal",
            "id": "request.serialNumber",
            "access_key": "request.accessKeyId response.credentials.accessKeyId",
            "policy": "request.policyArns.arn",
        },
        "GetFederationToken": {"user": "request.name"},
    },
    "sso": {
        "*": {
            "arn": (
                "request.instanceArn request.permissionSetArn request.applicationArn "
                "response.permissionSet.permissionSetArn"
            ),
            "id": "request.principalId",
            "target": "request.targetId",
            "account": "request.accountId",
            "role": "request.roleName",
            "policy": "request.managedPolicyArn request.customerManagedPolicyReference.name",
        },
    },
    "sso-directory": {
        "*": {
            "id": "request.identityStoreId",
            "user": (
                "request.userId request.userName request.member.memberId "
                "request.memberId.userId response.user.userId response.user.userName"
            ),
            "group": "request.groupId response.group.groupId",
        },
        "*Group*": {"group": "request.displayName"},
    },
    "organizations": {
        "*": {
            "account": (
                "request.accountId response.account.id response.createAccountStatus.accountId"
            ),
            "policy": (
                "request.policyId response.policy.policySummary.id "
                "response.policy.policySummary.arn"
            ),
            "target": "request.targetId request.target.id request.childId request.parentId",
            "id": (
                "request.sourceParentId request.destinationParentId "
                "request.organizationalUnitId request.handshakeId "
                "request.createAccountRequestId response.createAccountStatus.id"
            ),
            "role": "request.roleName",
            "arn": (
                "response.organizationalUnit.arn response.handshake.arn response.organization.arn"
            ),
        },
    },
    "account": {"*": {"account": "request.accountId"}},
    "ram": {
        "*": {
            "arn": "request.resourceArns",
            "target": "request.principals",
        },
    },
    "rolesanywhere": {
        "*": {
            "role": "request.roleArns request.roleArn",
            "arn": (
                "response.profile.profileArn response.trustAnchor.trustAnchorArn "
                "request.profileArn request.trustAnchorArn "
                "response.credentialSet.assumedRoleUser.arn"
            ),
            "access_key": "response.credentialSet.credentials.accessKeyId",
        },
    },
}
