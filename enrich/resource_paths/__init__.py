"""Where each call names the resources it touches: one table, service → call → leaf → paths.

A path starts at `request` or `response`, and paths are separated by blanks; lists are followed, and
an ARN at the end also fills `arn` and the leaf that the ARN itself names. A call is a name or a
pattern; all matching rows apply, so `*` has what means the same in every call of the service.
Leaves are those of `resources.LEAVES`; `s3_path` and `target` are read by
`resources.READINGS`. EC2's newer calls wrap the request in `<call>Request` with capitalised keys:
the reader unwraps it. Paths are CloudTrail's, whose lower-camel spelling follows each service's API
(https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-aws-service-specific-topics.html).
"""

from __future__ import annotations

from enrich.resource_paths import compute, data, identity, operations

TABLE: dict[str, dict[str, dict[str, str]]] = {
    **identity.PATHS,
    **compute.PATHS,
    **data.PATHS,
    **operations.PATHS,
    "identitystore": identity.PATHS["sso-directory"],
}
