"""The command line: one module for each command or group, and no logic.

`commands.py` says in which module each command is. The other modules:

The program:
    main                the group of all commands, and how an error is shown
    commands            which commands there are, and the module of each
    late_imports        imports that wait until a command runs, so that help is quick
    partial_packages    packages of other projects of which only a part is imported
    exit_codes          the exit code of each error
    stopping            what Ctrl-C and SIGTERM do
    completion          shell completion

Options:
    options             those of every command, and the settings that they make
    common_flags        `--url`, `--namespace` and `--config` as settings, and as arguments
    dates               times: their forms and their order
    object_selection    trail objects by day, account and region
    alert_selection     alerts, and the query that they make
    rule_selection      more rules, or only those, and the pack that they make
    named_alerts        alerts to change: by their ids, or all that a selection finds
    dismissals          `deadletters dismiss`
    decisions           decisions about alerts, incidents and known automation
    decision_commands   `ack`, `close`, `reopen`, `assign` and `note` of alerts and incidents

Output:
    screen              text on stdout and stderr, JSON on stdout
    log_warnings        warnings of the log, shown as those of a command
    listing             rows as a table, CSV, JSON or NDJSON, from one declaration
    columns             what a listing declares of each column
    table_layout        which columns fit on a terminal, and how wide they are
    stages              progress of any command
    progress            progress of a backfill
    consent             asking before something is changed or costs money
    history_run         rules over history: progress, and what they found
    empty_results       why a search found nothing
    skipped_days        days that could not be searched
    named_commands      commands named in messages, with the flags of this command
    namespace_hint      the namespaces that there are, in an error about a missing index

Parts of commands:
    backfill_run        `backfill`: one process or several, with progress
    backfill_plan       `backfill --dry-run`
    backfill_report     `backfill`: what it did, and what to run next
    failed_objects      the objects that a run did not fully read, for people
    backfill_verified   `backfill --verify`
    enqueue             `backfill --enqueue`
    restore             `backfill --restore`
    detect_files        `detect --files`
    event_table         `enrich --output csv`
    daemons             `status`: the daemons
    containment         `incidents show`: what to do now
    hunt_logs           `hunt --log-group`
    movements           `paths --lateral`
    alert_triage        `alerts ack`, `close`, `reopen`, `assign` and `note`
    alert_precision     `alerts precision`
    incident_context    `incidents show`: what is beside its alerts
    incident_seen       `incidents close --seen`
    incident_triage     `incidents ack`, `close`, `reopen`, `assign` and `note`
    rule_runs           `rules backtest`, `test` and `fields`
    rule_exports        `rules coverage` and `export`
    rule_exception      `rules except`
    rule_noise          `rules noise`
    aws_setup           `aws setup`
    aws_changes         `aws setup`: the changes, planned and done
    aws_costs           `aws setup --plan`: the costs
    aws_removal         `aws setup --destroy`
    aws_check           `aws check`
    aws_checklist       `aws checklist`
    aws_alarms          `aws alarms`
    aws_logs_query      `aws logs-query`
    aws_options         `aws`: options of several of its commands

`tests/unit/test_docs.py` fails when a module is not listed here.
"""
