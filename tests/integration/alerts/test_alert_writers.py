"""Several who write alerts at once, or die halfway: every event is counted once."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from contextlib import suppress

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.finding import Finding
from tests.faults.proxy import DROP, Fault, Proxy, Request
from tests.helpers.commands import command
from tests.helpers.findings import (
    ADA,
    burst,
    event_id,
    put_events,
    single,
)
from tests.helpers.recorded_alerts import PLAIN, RULES, spans
from tests.helpers.trails import reached_at
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError
from trailhound.settings import Settings


def sent_late(settings: Settings, findings: Sequence[Finding]) -> bytes:
    """The alerts that a slow writer of findings sends, and that have not arrived yet."""
    sent: list[bytes] = []

    def hold(request: Request) -> Fault | None:
        if _brings_alerts(request, settings):
            sent.append(request.body)
        return DROP if sent else None

    with Proxy(settings.hosts[0], hold) as proxy:
        own = reached_at(settings, proxy.url)
        with suppress(OpenSearchException, ClusterError):
            Recorder(connect(own), own, RULES).record(findings)
    return sent[0]


def _brings_alerts(request: Request, settings: Settings) -> bool:
    return request.path.startswith("/_bulk") and Names(settings.prefix).alerts.encode() in (
        request.body
    )


def test_two_writers_at_once_make_no_second_alert(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    """Each sees the events in another order, and other bursts of the same activity."""
    seconds = list(range(0, 60, 2))
    put_events(client, settings, range(60))
    started = threading.Barrier(4)
    faults: list[BaseException] = []

    def write(number: int) -> None:
        chance = random.Random(number)
        own = Recorder(connect(settings), settings, RULES)
        findings = [single("grouped", second, ADA) for second in seconds]
        findings += [burst("burst", range(each, each + 12)) for each in range(0, 48, 4)]
        findings += [single(PLAIN.id, second) for second in seconds[:5]]
        chance.shuffle(findings)
        started.wait()
        try:
            for at_ in range(0, len(findings), 8):
                own.record(findings[at_ : at_ + 8])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert spans(alert_store, "grouped") == [("00:00", "00:58", 30)]
    assert spans(alert_store, "burst") == [("00:00", "00:55", 56)]
    assert len(spans(alert_store, PLAIN.id)) == 5


def test_writers_and_whoever_closes_at_once_count_every_event_once(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    seconds = range(0, 640, 40)
    put_events(client, settings, seconds)
    done = threading.Event()
    faults: list[BaseException] = []

    def write(number: int) -> None:
        own = Recorder(connect(settings), settings, RULES)
        findings = [single("grouped", second, ADA) for second in seconds]
        random.Random(number).shuffle(findings)
        try:
            for at_ in range(0, len(findings), 2):
                own.record(findings[at_ : at_ + 2])
        except BaseException as error:  # noqa: BLE001 - shown by the test
            faults.append(error)

    def close() -> None:
        own = AlertStore(connect(settings), settings)
        while not done.wait(0.05):
            for alert in own.find(AlertQuery(states=("open",)), limit=3):
                own.close(alert["id"], "ada")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    closer = threading.Thread(target=close)
    for thread in (*writers, closer):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    closer.join()
    assert not faults
    Recorder(client, settings, RULES).record([single("grouped", second, ADA) for second in seconds])
    seen = [
        event for alert in alert_store.find(AlertQuery()) for event in alert["evidence"]["event_id"]
    ]
    assert sorted(seen) == sorted(map(event_id, seconds))


def test_an_alert_that_grows_while_it_is_merged_into_one_that_is_closed_counts_the_rest(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 160, 40))
    (earlier,) = recorder.record([single("grouped", 0, ADA)]).created
    (later,) = recorder.record([single("grouped", 80, ADA)]).created
    late = sent_late(settings, [single("grouped", 120, ADA)])
    seen: list[Request] = []

    def come_between(request: Request) -> None:
        """The other request arrives, and a person closes the target, before the merged alert is
        closed."""
        if _brings_alerts(request, settings):
            seen.append(request)
            if len(seen) == 2:
                assert not client.bulk(body=late)["errors"]
                alert_store.close(earlier, "ada")

    with Proxy(settings.hosts[0], come_between) as proxy:
        own = reached_at(settings, proxy.url)
        Recorder(connect(own), own, RULES).record([single("grouped", 40, ADA)])
    assert spans(alert_store) == [("00:00", "01:20", 3), ("02:00", "02:00", 1)]
    rest = alert_store.get(later)
    assert (rest["state"], rest["evidence"]["event_id"]) == ("open", [event_id(120)])
    assert rest["history"][-1]["note"] == f"counted by {earlier}: 1 of its events"
    assert rest["entity"]["principal"] == ["ada"]
    findings = [single("grouped", second, ADA) for second in range(0, 160, 40)]
    assert recorder.record(findings).updated == set()
    assert spans(alert_store) == [("00:00", "01:20", 3), ("02:00", "02:00", 1)]


def test_an_alert_that_was_merged_before_it_arrived_does_not_arrive(
    client: OpenSearch, settings: Settings, recorder: Recorder, alert_store: AlertStore
) -> None:
    put_events(client, settings, range(0, 120, 40))
    (name,) = recorder.record([single("grouped", 0, ADA)]).created
    late = sent_late(settings, [single("grouped", 80, ADA)])
    (merged,) = recorder.record([single("grouped", second, ADA) for second in (40, 80)]).merged
    (item,) = client.bulk(body=late)["items"]
    assert (item["create"]["_id"], item["create"]["status"]) == (merged, 409)
    assert spans(alert_store) == [("00:00", "01:20", 3)]
    closed = alert_store.get(merged)
    assert (closed["state"], closed["merged_into"], closed["count"]) == ("closed", name, 0)
    shown = command(settings, "alerts", "show", merged)
    assert shown.exit_code == 0, shown.output
    assert name in shown.output


def test_a_writer_that_dies_halfway_is_made_up_by_the_next_run(
    client: OpenSearch, settings: Settings, alert_store: AlertStore
) -> None:
    """Every request after the first, the second, … fails once; the findings are recorded again."""
    put_events(client, settings, range(100))
    first = [single("grouped", second, ADA) for second in (0, 90)]
    second = [single("grouped", second, ADA) for second in (40, 50, 60)]  # joins the two
    for allowed in range(8):
        seen = [0]

        def cut(request: Request, seen: list[int] = seen, allowed: int = allowed) -> Fault | None:
            seen[0] += 1
            return DROP if seen[0] > allowed else None

        with Proxy(settings.hosts[0], cut) as proxy:
            cut_off = reached_at(settings, proxy.url)
            weak = Recorder(connect(cut_off, timeout=5), cut_off, RULES)
            for findings in (first, second):
                seen[0] = 0
                with suppress(OpenSearchException, ClusterError):
                    weak.record(findings)
    Recorder(client, settings, RULES).record([*second, *first])
    assert spans(alert_store) == [("00:00", "01:30", 5)]
