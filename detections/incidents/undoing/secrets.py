"""What calls give away that only read: secrets, which stay known until they are changed."""

from __future__ import annotations

from typing import Final

from detections.incidents.undoing.rows import Rows, Undo, Value


def _of(what: str, paths: str, only: tuple[str, str] = ("", "")) -> tuple[Undo, ...]:
    return (Undo("secret", f"{what}: {{0}}", (Value(paths),), only=only),)


_PARAMETER: Final = "rotate what was read decrypted in Parameter Store"
_DECRYPTED: Final = ("request.withDecryption", "true")
_BOX: Final = "rotate the key pairs and passwords with which Lightsail let in"
_VARIABLES: Final = "rotate what is secret in the environment of the functions that were read"

SECRETS: Final[Rows] = {
    ("secretsmanager", "GetSecretValue"): _of(
        "rotate what was read in Secrets Manager", "request.secretId"
    ),
    ("secretsmanager", "BatchGetSecretValue"): _of(
        "rotate what was read in Secrets Manager",
        "request.secretIdList request.filters.values",
    ),
    ("ssm", "GetParameter"): _of(_PARAMETER, "request.name", _DECRYPTED),
    ("ssm", "GetParameters"): _of(_PARAMETER, "request.names", _DECRYPTED),
    ("ssm", "GetParameterHistory"): _of(_PARAMETER, "request.name", _DECRYPTED),
    ("ssm", "GetParametersByPath"): _of(_PARAMETER, "request.path", _DECRYPTED),
    ("ec2", "GetPasswordData"): _of(
        "change the administrator’s passwords of the instances, which were read",
        "request.instanceId",
    ),
    ("ec2", "DescribeInstanceAttribute"): _of(
        "rotate what is secret in the start-up scripts of the instances that were read",
        "request.instanceId",
        ("request.attribute", "userData"),
    ),
    ("lambda", "GetFunction20150331v2"): _of(_VARIABLES, "request.functionName"),
    ("lambda", "GetFunctionConfiguration20150331v2"): _of(_VARIABLES, "request.functionName"),
    ("acm", "ExportCertificate"): _of(
        "replace and revoke the certificates whose private keys were exported",
        "request.certificateArn",
    ),
    ("apigateway", "GetApiKey"): _of(
        "replace the keys of API Gateway that were read", "request.apiKey"
    ),
    ("cognito-idp", "DescribeUserPoolClient"): _of(
        "replace the clients of user pools whose secrets were read", "request.clientId"
    ),
    ("lightsail", "DownloadDefaultKeyPair"): _of(
        _BOX, "response.resourceName request.keyPairName awsRegion"
    ),
    ("lightsail", "GetInstanceAccessDetails"): _of(_BOX, "request.instanceName"),
    ("lightsail", "GetRelationalDatabaseMasterUserPassword"): _of(
        "change the passwords of the databases of Lightsail that were read",
        "request.relationalDatabaseName",
    ),
}
"""Without commands: whatever uses a secret has to get the new one, too."""
