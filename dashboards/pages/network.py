"""Network & compute: what runs, where, and who opens access to it."""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, highest, terms, unique
from dashboards.controls import of_events
from dashboards.dashboard import Dashboard, row
from dashboards.palette import BLUE, GREEN, ORANGE, OUTCOMES, RED
from dashboards.panel import Chart
from dashboards.query import CHANGES, both, calls, either, services
from dashboards.saved_search import Search

COMPUTE = services("ec2", "lambda", "ecs", "eks", "autoscaling", "states")
STARTED = calls("RunInstances", "StartInstances")
STOPPED = calls("StopInstances", "TerminateInstances")
GROUPS = calls(
    "AuthorizeSecurityGroupIngress",
    "AuthorizeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
    "CreateSecurityGroup",
    "DeleteSecurityGroup",
    "ModifySecurityGroupRules",
)
ROUTES = calls(
    "CreateNetworkAcl*",
    "DeleteNetworkAcl*",
    "ReplaceNetworkAcl*",
    "CreateRoute*",
    "DeleteRoute*",
    "ReplaceRoute*",
    "*InternetGateway",
    "*VpcPeeringConnection",
    "*NatGateway",
    "DeleteFlowLogs",
)
REMOTE = calls("SendCommand", "StartSession", "CreateKeyPair", "ImportKeyPair", "GetPasswordData")

CONTROLS = of_events("network-controls")

NUMBERS = Chart(
    id="network-numbers",
    title="Summary",
    question="How often were instances started, network access changed and sessions opened?",
    kind="numbers",
    by=(
        cases(
            Machines_started=STARTED,
            Machines_stopped=STOPPED,
            Security_groups=GROUPS,
            Routes_and_ACLs=ROUTES,
            Remote_access=REMOTE,
        ),
    ),
)

MACHINES = Chart(
    id="network-machines",
    title="Instances started and stopped",
    question="Is somebody starting unexpected instances?",
    kind="bars",
    query=either(STARTED, STOPPED),
    by=(by_time(),),
    split=(cases(Started=STARTED, Stopped=STOPPED),),
    colours={"Started": BLUE, "Stopped": ORANGE},
)

MACHINES_WHO = Chart(
    id="network-machines-who",
    title="Who starts instances, and where",
    question="Which principal starts instances in which region, and how many calls are denied?",
    kind="table",
    query=STARTED,
    measure=(count("Calls"), unique("resource.instance", "Instances")),
    by=(
        terms("user.name", 20, "Principal"),
        terms("awsRegion", 8, "Region"),
        terms("event.outcome", 2, "Outcome"),
    ),
)

REGIONS = Chart(
    id="network-regions",
    title="Changes by region",
    question="Is an unexpected region in use?",
    kind="rows",
    query=both(COMPUTE, CHANGES),
    by=(terms("awsRegion", 12, "Region"),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

DOORS = Chart(
    id="network-doors",
    title="Network access changes",
    question="When do security groups, routes and network ACLs change?",
    kind="bars",
    query=either(GROUPS, ROUTES),
    by=(by_time(),),
    split=(cases(Security_groups=GROUPS, Routes_and_ACLs=ROUTES),),
    colours={"Security groups": ORANGE, "Routes and ACLs": GREEN},
)

DOORS_WHO = Chart(
    id="network-doors-who",
    title="Who changes security groups",
    question="Which group was changed, by whom, how?",
    kind="table",
    query=GROUPS,
    measure=(count("Calls"), highest("risk_score", "Highest risk")),
    by=(
        terms("resource.security_group", 20, "Security group"),
        terms("eventName", 5, "Call"),
        terms("user.name", 5, "Principal"),
    ),
)

ENTERED = Chart(
    id="network-remote",
    title="Sessions and commands on instances",
    question="Who runs commands, opens sessions or creates key pairs for instances?",
    kind="table",
    query=REMOTE,
    by=(
        terms("user.name", 20, "Principal"),
        terms("eventName", 5, "Call"),
        terms("source.ip", 5, "Address"),
    ),
)

FUNCTIONS_CHANGED = Chart(
    id="network-functions",
    title="Changes to functions, tasks and workflows",
    question="Who changes functions, tasks, clusters and state machines?",
    kind="table",
    query=both(services("lambda", "ecs", "eks", "states", "autoscaling"), CHANGES),
    by=(terms("eventName", 15, "Call"), terms("user.name", 5, "Principal")),
)

REFUSED = Chart(
    id="network-refused",
    title="Denied calls",
    question="Which calls are denied?",
    kind="rows",
    query=both(COMPUTE, "event.outcome:failure"),
    by=(terms("eventName", 10, "Call"),),
    colours={"Events": RED},
)

EVENTS = Search(
    id="network-events",
    title="Changes to instances and network access",
    question="What exactly was started, opened or closed?",
    query=either(STARTED, GROUPS, ROUTES, REMOTE),
    columns=(
        "user.name",
        "eventName",
        "resource.instance",
        "resource.security_group",
        "source.ip",
        "event.outcome",
        "risk_score",
    ),
)

PAGE = Dashboard(
    id="network",
    title="Network & compute",
    question="What runs in the accounts, where, and who opens network access to it?",
    rows=(
        row(5, CONTROLS),
        row(7, NUMBERS),
        row(12, (MACHINES, 24), (DOORS, 24)),
        row(13, MACHINES_WHO),
        row(13, DOORS_WHO),
        row(14, (REGIONS, 24), (REFUSED, 24)),
        row(13, ENTERED),
        row(13, FUNCTIONS_CHANGED),
        row(18, EVENTS),
    ),
)
