"""The twelve alarms as they were asked for: severity and threshold by name."""

from __future__ import annotations

ALARMS = {
    "RootAccountUsage": ("critical", 1),
    "UnauthorizedAPICalls": ("high", 5),
    "ConsoleLoginWithoutMFA": ("high", 1),
    "IAMPolicyChanges": ("medium", 1),
    "NetworkACLChanges": ("medium", 1),
    "SecurityGroupChanges": ("medium", 1),
    "CloudTrailChanges": ("critical", 1),
    "S3BucketPolicyChanges": ("high", 1),
    "PotentialCryptoMining": ("high", 3),
    "SuspiciousRoleCreation": ("medium", 1),
    "DataExfiltrationPattern": ("high", 100),
    "MultipleFailedLogins": ("medium", 5),
}
