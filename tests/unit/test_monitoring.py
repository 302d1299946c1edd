"""Alert rules and the dashboard ask for metrics that there are, and the page tells of all."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from ingest.daemon.status import DaemonStatus
from ingest.feeds.feed import FeedStatus
from ingest.telemetry.metrics import Metrics
from trailhound.app.health.readiness import ADVICE

DOCS = Path(__file__).parents[2] / "docs"
APP = DOCS.parent / "trailhound" / "app"
NAME = re.compile(r"\b(?:trailhound|process)_[a-z_]+\b")


@dataclass
class Runs:
    runs: int = 3
    failures: int = 1
    seconds: float = 0.5


def exposed() -> dict[str, set[str]]:
    """Sample name → its labels, of a daemon that has something of everything."""
    feed = FeedStatus("q", "sqs", 5, 1.5, counters={"unknown_messages": 3})
    status = DaemonStatus(started=1.0, objects={"failed": 1}, feeds=[feed])
    metrics = Metrics(
        lambda: status, tuple, lambda: {"integrity": True}, lambda: {"integrity": Runs()}
    )
    metrics.newest_event = 1.0
    metrics.searchable(2.0)
    metrics.delivered(1.0)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions() -> list[str]:
    rules = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text("utf-8"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((DOCS / "monitoring" / "grafana.json").read_text("utf-8"))
    return found + [each["expr"] for panel in board["panels"] for each in panel["targets"]]


def test_every_metric_and_label_they_name_is_exposed() -> None:
    there = exposed()
    for expression in expressions():
        for name in NAME.findall(expression):
            assert name in there, (name, expression)
        for name, given in re.findall(r"([a-z_]+)\{([^}]*)\}", expression):
            labels = set(re.findall(r"([a-z_]+)=", given)) - {"job"} if name != "up" else set()
            assert labels <= there.get(name, set()), expression
    assert "trailhound_job_runs_total" in there
    assert there["trailhound_objects_total"] == {"outcome"}
    ours = [labels for name, labels in there.items() if name.startswith("trailhound_")]
    # Prometheus names the one scraped so, and would rename ours.
    assert not {"job", "instance"} & set().union(*ours)


def test_the_page_tells_of_every_metric_and_every_alert() -> None:
    page = (DOCS / "monitoring.md").read_text("utf-8")
    for name in exposed():
        if name.startswith("trailhound_") and not name.endswith("_created"):
            family = re.sub(r"_(bucket|count|sum)$", "", name)
            assert family in page, family
    rules = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text("utf-8"))["groups"]
    alerts = {rule["alert"] for group in rules for rule in group["rules"]}
    assert set(re.findall(r"`(Trailhound[A-Za-z]+)`", page)) == alerts


def test_no_alert_lets_one_daemon_or_namespace_hide_another() -> None:
    """Alerts on what a daemon says of itself are for each; on what those of a namespace share, for
    each job."""
    rules = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text("utf-8"))["groups"]
    alerts = {rule["alert"]: rule for group in rules for rule in group["rules"]}
    for name in ("TrailhoundDown", "TrailhoundNotReady", "TrailhoundMemoryGrows"):
        assert not re.search(r"\b(min|max|sum|avg|count)\b", alerts[name]["expr"]), name
        assert "$labels.instance" in alerts[name]["annotations"]["summary"], name
    for name in ("TrailhoundEventsLate", "TrailhoundNobodyLeads"):
        assert re.match(r"(min|sum) by \(job\b", alerts[name]["expr"]), name
    assert alerts["TrailhoundGone"]["expr"].startswith("absent(trailhound_ready{")


def test_panels_do_not_cover_each_other() -> None:
    board = json.loads((DOCS / "monitoring" / "grafana.json").read_text("utf-8"))
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]}
    assert len(places) == len(board["panels"])
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in board["panels"])


def test_the_page_names_every_code_of_readyz() -> None:
    table = (DOCS / "monitoring.md").read_text("utf-8").partition("| code | what is wrong |\n")[2]
    rows = table.partition("\n\n")[0].splitlines()[1:]
    named = {code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])}
    modules = ("health/reasons", "health/readiness", "daemon/own_health", "daemon/same_ledger")
    used = {
        code
        for module in modules
        for code in re.findall(r'Reason\(\s*"(\w+)"', (APP / f"{module}.py").read_text("utf-8"))
    }
    assert named | {"daemon"} == set(ADVICE)
    assert used <= set(ADVICE)
