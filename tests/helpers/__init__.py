"""What tests share. Look here before writing a helper.

activity_pages      pages of activity graphs made by hand, and the graph library for them
activity_trails     random activity of two accounts, its graph and paths by brute force
alerts_by_hand      alerts as detections write them, made from a sample's labels
aws_api             AWS in front of moto: what moto lacks, refusals on demand, calls counted
browsers            a real Chromium, or a skip by name where there is none
clock               a day that does not end in the middle of a test
commands            commands run within the test's own process
correlation_oracle  correlations by brute force, to compare with
daemons             a daemon in a thread of the test's own process
dashboards_api      an HTTP server with the saved objects API of Dashboards
dead_letters        dead letters by hand, and a retry of all that there are
definitions         the alarms as they were asked for, by name
denying_proxy       a server in front of S3 that denies the listing of one folder
detections          queries of bare detections
detection_rules     rules of the tests' own, in a folder to be given as a pack
event_history       a server that answers LookupEvents as AWS documents it
engines             real engines on ports of their own; removes a namespace
digests             a trail with CloudTrail's digests, and a server that has the keys
event_store         events put straight into daily indices, without a trail file
findings            rules and findings about events that are in the index
fixtures_browser    a real Chromium, one for the tests of a file
fixtures_s3         an S3 and STS server (moto), and the requests made to it
fixtures_settings   settings of a namespace, and a client on it
forks               a process that has Trailhound imported and forks one for each command
hand_feed           a feed that a test drives
identities          who makes the calls of records made by hand
installation        one namespace with all its sources and channels, driven by commands
killed_runs         backfills in processes that end, or are killed at a given request
last_release        a ledger index as the last release left it, every kind of document
lifecycle_plugins   ISM and ILM as a proxy's script, for engines that lack them
local_servers       servers on the loopback address, for a block
logs_insights       CloudWatch Logs Insights: queries, states, row limit, throttling
mail_server         a mail server that takes what it is sent
namespaces          a namespace of a test's own, removed afterwards
notifications       alerts of one namespace, and what channels are sent of them
postures            facts of an account that is watched as it should be, to be spoilt; its posture
ports               ports for engines and daemons, each lent to one test at a time
processes           Trailhound as a process of its own
queues              an SQS server (moto) with S3 notifications, and daemons that follow it
random_trails       random trails, and what the engine and brute force find in them
read_blocks         an index that is blocked for reading, on engines that lift the block
readyz              what a daemon answers at `/readyz`
receiver            an HTTP server that takes what channels send
recorded_alerts     rules of findings by hand, and the alerts that a recorder makes of these
recorded            recorded events on which an independent Sigma engine counted hits
records             hand-made records, one of every shape that enrichment must take
reports             reports of any shape, with any text
required_arguments  the arguments that each command requires
roles               the shipped least-privilege roles, for a namespace
schemas             what `--json` prints, against the schemas in docs/
secured             an OpenSearch with the security plugin, TLS, users and roles
session             what the workers of a test session share, and how it ends
session_trails      random trails of sessions in two accounts, and who is behind each event
sigma_correlations  Sigma correlations of rules A, B, C, and what they compile to
terminal            commands on a terminal of 80 columns
three_nodes         a cluster of three engine processes, of which some can be killed
trails              small trail files, and a backfill of them
visualizations      what Dashboards asks the engine for when it draws a saved object

`elasticsearch/` has what starts a real Elasticsearch node, `locks/` the hashes of the engines' jars
that only tests use. `tests/unit/test_docs.py` fails when a module is not listed here.
"""
