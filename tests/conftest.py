"""Fixtures that all tests share: engines, a namespace of one's own, the recorded data."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import typer.testing

from tests.helpers import session
from tests.helpers.elasticsearch import session_elasticsearch
from tests.helpers.engines import remove_namespace, session_engine
from tests.helpers.namespaces import Namespaces, new_name
from tests.helpers.secured import SecuredEngine, session_secured_engine
from trailhound.cli.named_commands import set_given

pytest_plugins = [
    "tests.helpers.fixtures_browser",
    "tests.helpers.fixtures_s3",
    "tests.helpers.fixtures_settings",
    "tests.helpers.aws_api",
    "tests.helpers.event_store",
    "tests.helpers.notifications",
]
for profile, examples in {"quick": 50, "thorough": 200}.items():
    # No deadline: a busy machine is no failure.
    hypothesis.settings.register_profile(profile, deadline=None, max_examples=examples)
hypothesis.settings.load_profile(os.environ.get("TRAILHOUND_TEST_EXAMPLES", "quick"))
# What is imported stays: to look through it for garbage took a seventh of the tests' time.
gc.disable()
# A program makes its commands once. Typer makes all of them anew for each command line, which
# takes a process that runs hundreds as long as many of these do.
typer.main.get_command = functools.cache(typer.main.get_command)
typer.testing._get_command = typer.main.get_command  # type: ignore[attr-defined]
TESTS = Path(__file__).parent
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
FOLDERS = ("unit", "integration", "scenarios", "faults")
LONGEST = (
    *("test_aws_setup", "test_engine_kill", "test_lookup", "test_aws_check", "test_day"),
    *("test_reconcile", "test_three_nodes", "test_aws_alarms", "test_verify", "test_daemon_storms"),
    *("test_kill",),
    *("test_s3_listing", "test_daemon_poison", "test_refused_events", "test_sessions"),
    *("test_documented_commands", "test_late_events", "test_bulk_faults", "test_contract"),
    *("test_watch_feed", "test_incidents", "test_daemon_faults", "test_engine", "test_lease"),
    *("test_backend_laws", "test_after_upgrade", "test_backfill", "test_health", "test_selections"),
    *("test_detection_kill", "test_secured_commands", "test_repair", "test_run_command"),
    *("test_secured", "test_integrity", "test_sqs_feed", "test_rules_beside_a_bucket"),
    *("test_corpus", "test_products", "test_alert_memory", "test_hunt_logs"),
    *("test_correlation_oracle", "test_dashboards", "test_graph_page", "test_offline"),
)
"""Files that take longest (`--durations=0`): right after the unit tests, so that no worker is left
with one of them at the end. Those that mostly wait (for a lease, a message, an engine to come back)
stand apart from each other: what keeps the processors busy runs beside each."""


def pytest_configure(config: pytest.Config) -> None:
    """The process that started the workers (or has none) owns the session.

    A shell starts what it runs in the background with SIGINT ignored, and so would be every
    command that the tests start: none of those that are interrupted would end.
    """
    session.watch_signals()
    for folder in FOLDERS:
        config.addinivalue_line("markers", f"{folder}: every test below tests/{folder}")
    config.addinivalue_line("markers", "fresh_namespace: its namespace was never used")
    if not hasattr(config, "workerinput"):
        session.begin()
        if config.getoption("numprocesses", None):
            gc.enable()  # it collects no tests itself


def pytest_unconfigure(config: pytest.Config) -> None:
    """Whatever happened, Ctrl-C included: no engine and no daemon outlives the session."""
    if not hasattr(config, "workerinput"):
        session.end()


def pytest_runtest_setup() -> None:
    """Commands that a message names have the flags of the command that this process ran last: a
    test's own, not those of a test before it."""
    set_given(url=None, namespace=None, config=None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A signal to the tests' process group (`timeout`, a supervisor) may come while a test runs a
    command within the process: the command ends with 130, and the session ends, too."""
    try:
        return (yield)
    finally:
        session.end_if_asked()


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Workers that will import everything begin at different files: each finds what the others
    have compiled by then. In the same order, each of them would compile all of it."""
    worker = getattr(session.config, "workerinput", None)
    if worker is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted(TESTS.rglob("test_*.py"))
    first = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
    for file in files[first:] + files[:first]:
        # What can't be imported is told when it is collected.
        with contextlib.suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests first: they are the cheapest. Then the files of `LONGEST` in their order, and then
    all others: many files of some seconds fill the workers to the end. Each test gets its folder's
    name as a marker, for `pytest -m unit`.

    The workers take whole files (`--dist loadfile`), for what a file's tests share.
    """
    for item in items:
        if _folder(item) in FOLDERS:
            item.add_marker(_folder(item))
    items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """From here on garbage is collected, among what the tests make."""
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


def _folder(item: pytest.Item) -> str:
    return _folder_of(item.path)


@functools.cache
def _folder_of(file: Path) -> str:
    return file.relative_to(TESTS).parts[0] if file.is_relative_to(TESTS) else ""


def _rank(item: pytest.Item) -> tuple[bool, int]:
    file = item.path.stem
    return (
        _folder(item) != "unit",
        LONGEST.index(file) if file in LONGEST else len(LONGEST),
    )


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a real OpenSearch 3.8.0, or of what `TRAILHOUND_TEST_ENGINE` (an address) or
    `TRAILHOUND_TEST_PRODUCT` (a name of `ENGINES`) says.
    """
    if PRODUCT and ENGINES[PRODUCT] != "engine":
        yield str(request.getfixturevalue(ENGINES[PRODUCT]))
        return
    with session_engine() as url:
        yield url


@pytest.fixture(scope="session")
def opensearch(request: pytest.FixtureRequest) -> Iterator[str]:
    """As `engine`, but OpenSearch 3.8.0 where that is an Elasticsearch: for what only one has."""
    if not (PRODUCT or "").startswith("elasticsearch"):
        yield str(request.getfixturevalue("engine"))
        return
    with session_engine() as url:
        yield url


@pytest.fixture(scope="session")
def engine_2_19() -> Iterator[str]:
    """The address of a real OpenSearch 2.19.1."""
    with session_engine("2.19.1") as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch_8() -> Iterator[str]:
    """The address of a real Elasticsearch 8.19."""
    with session_elasticsearch("8.19.21") as url:
        yield url


@pytest.fixture(scope="session")
def elasticsearch_9() -> Iterator[str]:
    """The address of a real Elasticsearch 9.5."""
    with session_elasticsearch("9.5.3") as url:
        yield url


ENGINES = {
    "3.8": "engine",
    "2.19": "engine_2_19",
    "elasticsearch-8.19": "elasticsearch_8",
    "elasticsearch-9.5": "elasticsearch_9",
}
"""Every product and generation that is supported, and its fixture."""


PRODUCT = os.environ.get("TRAILHOUND_TEST_PRODUCT")
"""The one product that this session is about, a name of `ENGINES`; unset: each in turn."""


@pytest.fixture(scope="session", params=[PRODUCT] if PRODUCT else ENGINES)
def each_engine(request: pytest.FixtureRequest) -> str:
    """The address of each generation that is supported, one after the other."""
    return str(request.getfixturevalue(ENGINES[request.param]))


@pytest.fixture(scope="session")
def secured_engine() -> Iterator[SecuredEngine]:
    """A real OpenSearch with the security plugin: TLS, users, roles."""
    with session_secured_engine() as started:
        yield started


@pytest.fixture(scope="session")
def namespaces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Namespaces]]:
    """The namespaces of an engine's address that wait for a test."""
    made: dict[str, Namespaces] = {}

    def of(url: str) -> Namespaces:
        if url not in made:
            made[url] = Namespaces(url, tmp_path_factory.mktemp("namespaces"))
        return made[url]

    yield of
    for each in made.values():
        each.close()


@pytest.fixture
def namespace(
    request: pytest.FixtureRequest, namespaces: Callable[[str], Namespaces]
) -> Iterator[str]:
    """A prefix of this test's own; what it made under it on an engine is removed at the end.

    In tests of `integration` its indices may be there already, as `init` makes them and empty;
    a test that is about their making is marked `fresh_namespace`.
    """
    fixtures = (*ENGINES.values(), "opensearch", "each_engine")
    asked = [each for each in fixtures if each in request.fixturenames]
    urls = {request.getfixturevalue(each) for each in asked}
    if (
        len(urls) == 1
        and "integration" in request.keywords
        and "fresh_namespace" not in request.keywords
    ):
        waiting = namespaces(urls.pop())
        name = waiting.take()
        yield name
        waiting.give(name)
        return
    name = new_name()
    yield name
    for url in urls:
        remove_namespace(url, name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded events beside the checkout; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"recorded data is not there: {SHARED_DATA}")
    return SHARED_DATA
