"""Identity & access: who signs in, who assumes which role, and who grants permissions."""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, highest, terms, unique
from dashboards.controls import Controls
from dashboards.dashboard import Dashboard, row
from dashboards.palette import OUTCOMES, USER_TYPES
from dashboards.panel import Chart
from dashboards.query import both, calls
from dashboards.saved_search import Search

LOGIN = calls("ConsoleLogin")
ASSUMED = calls("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")
MFA = calls(
    "EnableMFADevice",
    "DeactivateMFADevice",
    "DeleteVirtualMFADevice",
    "CreateVirtualMFADevice",
    "ResyncMFADevice",
)
NEW_IDENTITIES = calls(
    "CreateUser",
    "CreateRole",
    "CreateAccessKey",
    "CreateLoginProfile",
    "UpdateLoginProfile",
    "AddUserToGroup",
    "CreateSAMLProvider",
    "CreateOpenIDConnectProvider",
)
POLICY = calls(
    "AttachUserPolicy",
    "AttachRolePolicy",
    "AttachGroupPolicy",
    "DetachUserPolicy",
    "DetachRolePolicy",
    "DetachGroupPolicy",
    "PutUserPolicy",
    "PutRolePolicy",
    "PutGroupPolicy",
    "DeleteUserPolicy",
    "DeleteRolePolicy",
    "DeleteGroupPolicy",
    "CreatePolicy",
    "DeletePolicy",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "UpdateAssumeRolePolicy",
)

CONTROLS = Controls(
    id="identity-controls",
    title="Filters",
    question="Which account, kind of identity and principal should be shown?",
    fields=(
        ("recipientAccountId", "Account"),
        ("user_type", "Kind of identity"),
        ("user.name", "Principal"),
    ),
)

SIGN_INS = Chart(
    id="identity-sign-ins",
    title="Console sign-ins",
    question="How many sign-ins succeeded, failed, or had no second factor?",
    kind="numbers",
    query=LOGIN,
    by=(
        cases(
            Succeeded="event.outcome:success",
            Failed="event.outcome:failure",
            Without_MFA="event.outcome:success AND NOT additionalEventData.MFAUsed:Yes",
            Root="user_type:root_user",
        ),
    ),
)

SECOND_FACTORS = Chart(
    id="identity-mfa",
    title="Second factors",
    question="Was a second factor added or removed?",
    kind="numbers",
    by=(
        cases(
            Set_up=calls("EnableMFADevice", "CreateVirtualMFADevice"),
            Switched_off=calls("DeactivateMFADevice"),
            Deleted=calls("DeleteVirtualMFADevice"),
        ),
    ),
)

SIGN_INS_OVER_TIME = Chart(
    id="identity-sign-ins-time",
    title="Console sign-ins over time",
    question="Is somebody guessing passwords, and did a guess succeed?",
    kind="bars",
    query=LOGIN,
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

SIGN_INS_BY_USER = Chart(
    id="identity-sign-ins-user",
    title="Who signs in, from where",
    question="Does a user sign in from an address or country that is not theirs?",
    kind="table",
    query=LOGIN,
    by=(
        terms("user.name", 20, "Principal"),
        terms("geolocation.country", 5, "Country"),
        terms("event.outcome", 2, "Outcome"),
    ),
)

KINDS = Chart(
    id="identity-kinds",
    title="Activity by kind of identity",
    question="Which kinds of identity make calls, and are root or external identities among them?",
    kind="area",
    by=(by_time(),),
    split=(terms("user_type", 8, "Kind of identity"),),
    colours=USER_TYPES,
)

ROLES = Chart(
    id="identity-roles",
    title="Roles assumed",
    question="Which roles are assumed, and by how many different identities and addresses?",
    kind="table",
    query=ASSUMED,
    measure=(
        count(),
        unique("user.name", "Callers"),
        unique("sourceIPAddress", "From"),
    ),
    by=(terms("resource.role", 50, "Role"),),
)

NEW = Chart(
    id="identity-new",
    title="Keys, users and roles created",
    question="Which new credentials and identities give access?",
    kind="bars",
    query=NEW_IDENTITIES,
    by=(by_time(),),
    split=(terms("eventName", 8, "Call"),),
)

NEW_WHO = Chart(
    id="identity-new-who",
    title="Who created them",
    question="Who creates keys, users and roles, and do the calls succeed?",
    kind="table",
    query=NEW_IDENTITIES,
    measure=(
        count(),
        highest("risk_score", "Highest risk"),
    ),
    by=(
        terms("user.name", 20, "Principal"),
        terms("eventName", 8, "Call"),
        terms("event.outcome", 2, "Outcome"),
    ),
)

POLICIES = Chart(
    id="identity-policies",
    title="Policy changes",
    question="Who changes the permissions of others?",
    kind="table",
    query=POLICY,
    by=(terms("user.name", 20, "Principal"), terms("eventName", 8, "Call")),
)

POLICIES_OVER_TIME = Chart(
    id="identity-policies-time",
    title="Policy changes over time",
    question="Do policies change at an unusual hour or in a burst?",
    kind="bars",
    query=POLICY,
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

EVENTS = Search(
    id="identity-events",
    title="Changes to users, keys, roles, policies and MFA",
    question="What exactly was changed?",
    query=both("event_category:identity_management", f"{NEW_IDENTITIES} OR {POLICY} OR {MFA}"),
    columns=(
        "user.name",
        "eventName",
        "resource.user",
        "resource.policy",
        "source.ip",
        "event.outcome",
        "risk_score",
    ),
)

PAGE = Dashboard(
    id="identity",
    title="Identity & access",
    question="Who signs in, who assumes which role, and who grants permissions?",
    rows=(
        row(5, CONTROLS),
        row(7, (SIGN_INS, 28), (SECOND_FACTORS, 20)),
        row(12, (SIGN_INS_OVER_TIME, 24), (KINDS, 24)),
        row(14, (SIGN_INS_BY_USER, 29), (ROLES, 19)),
        row(12, (NEW, 24), (POLICIES_OVER_TIME, 24)),
        row(13, NEW_WHO),
        row(13, POLICIES),
        row(18, EVENTS),
    ),
)
