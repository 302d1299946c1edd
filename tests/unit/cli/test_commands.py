"""The commands: each is there, and costs its start no other's imports."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.helpers.ports import own_port
from trailhound.cli.commands import COMMANDS
from trailhound.cli.main import app, main


def test_each_command_is_found_under_its_name_with_its_panel() -> None:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    assert group.list_commands(context) == list(COMMANDS)
    for name, (panel, _, summary) in COMMANDS.items():
        command = group.get_command(context, name)
        assert (command.name, command.rich_help_panel) == (name, panel)
        assert " ".join(command.help.split("\n\n")[0].split()) == summary
    assert group.get_command(context, "no-such-command") is None


LIGHT = {
    *("annotated_doc", "annotated_types", "attr", "markdown_it", "mdurl", "pydantic"),
    *("pydantic_core", "pygments", "rich", "shellingham", "typer", "typing_extensions"),
    *("typing_inspection", "colorama"),
}
"""What typer and rich bring: all that the help of a command may import of others."""
OURS = {"trailhound.app.daemon.logs", "trailhound.aws.returns", "trailhound.errors"} | {
    *("trailhound.control_characters", "trailhound.aws.insights_query", "trailhound.plural"),
    *("detections.alerts.disposition", "detections.investigation.comparison", "detections.rule"),
}
"""What the options of commands are made of, and what shows an error, below the commands."""
PACKAGES = ("trailhound", "ingest", "enrich", "detections", "dashboards")
AS_PROGRAM = "from trailhound.cli.late_imports import put_off; put_off()\n"
"""As `trailhound.cli.main.run` begins."""


def imported(script: str) -> set[str]:
    """The modules that a Python program has imported at its end."""
    before = f"import sys\nbefore = set(sys.modules)\n{AS_PROGRAM}"
    script = f"{before}{script}\nprint('modules:', *(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("modules:")[2].split())


def heavy(modules: set[str]) -> set[str]:
    """Those of other projects beyond `LIGHT`, and ours that commands work with."""
    others = {
        name
        for name in {each.partition(".")[0] for each in modules}
        if name not in sys.stdlib_module_names | LIGHT | set(PACKAGES) and not name.startswith("_")
    }
    ours = {each for each in modules if each.partition(".")[0] in PACKAGES}
    light = {each for each in ours if any(f"{name}.".startswith(f"{each}.") for name in OURS)}
    return others | {each for each in ours - light if not f"{each}.".startswith("trailhound.cli.")}


def test_no_help_imports_what_a_command_works_with() -> None:
    """All of them in one process: it would be several times the start of one."""
    script = (
        "import typer\n"
        "from trailhound.cli.main import app, main\n"
        "def each(command, words):\n"
        "    yield words\n"
        "    for name in getattr(command, 'commands', ()):\n"
        "        yield from each(command.commands[name], [*words, name])\n"
        "found = list(each(typer.main.get_command(app), []))\n"
        "assert len(found) > 50\n"
        "for words in found:\n"
        "    assert main([*words, '--help']) == 0, words\n"
        "assert main(['--version']) == 0"
    )
    found = imported(script)
    modules = {place.partition(":")[0] for _, place, _ in COMMANDS.values()}
    assert {f"trailhound.cli.{each}" for each in modules} < found
    assert not heavy(found)


def test_the_list_of_commands_imports_none_of_them() -> None:
    found = imported("from trailhound.cli.main import main; main(['--help'])")
    commands = {f"trailhound.cli.{place.partition(':')[0]}" for _, place, _ in COMMANDS.values()}
    assert not (heavy(found) | (commands | {"pydantic"}) & found)


def test_a_command_that_runs_has_all_that_it_works_with() -> None:
    """Also where it uses another's functions, and where a value is completed before it runs.
    Garbage is looked for from then on, and not in modules."""
    found = imported(
        "import gc\n"
        "from trailhound.cli.main import main\n"
        "assert not gc.isenabled()\n"
        "assert main(['rules', 'list', '--level', 'critical', '--json']) == 0\n"
        "assert gc.isenabled() and gc.get_freeze_count() > 50_000\n"
        "from trailhound.cli import demo, incidents\n"
        "assert isinstance(demo.History, type) and isinstance(incidents.IncidentStore, type)"
    )
    assert "sigma.rule" in found


def test_a_name_that_is_not_imported_yet_says_which_it_is() -> None:
    imported(
        "from trailhound.cli.late_imports import import_now, late_imports\n"
        "with late_imports():\n"
        "    from detections.rule import LEVELS as levels\n"
        "assert repr(levels) == '<LEVELS of detections.rule, which is not imported yet>'\n"
        "assert 'detections.rule' not in sys.modules\n"
        "try:\n"
        "    with late_imports():\n"
        "        import json.tool\n"
        "except ImportError as error:\n"
        "    assert 'from json.tool import' in str(error)\n"
        "else:\n"
        "    raise AssertionError\n"
        "import_now()\n"
        "assert levels[-1] == 'critical'"
    )


def test_what_is_put_off_is_imported_by_name() -> None:
    """Any other import ends a command that needs the module, and only as a program."""
    blocks = [
        (path.name, each)
        for path in Path(main.__code__.co_filename).parent.glob("*.py")
        for block in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(block, ast.With) and ast.unparse(block.items[0]) == "late_imports()"
        for each in block.body
    ]
    assert len(blocks) > 100
    assert [
        (name, ast.unparse(each)) for name, each in blocks if isinstance(each, ast.Import)
    ] == []


def test_what_a_backfill_says_of_rules_at_its_end_needs_none_of_them() -> None:
    found = imported("import trailhound.app.backfill.undetected")
    assert "opensearchpy" in found
    assert not {"sigma", "pyparsing", "re2", "detections.running.detector"} & found


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("alerts", {"sigma", "pyparsing"}),
        ("events", {"networkx", "sigma"}),
        ("ledger", {"ingest.backfill.backfill", "ingest.documents.assembler"}),
        ("timeline", {"jinja2", "networkx", "sigma"}),
        ("whois", {"networkx", "sigma"}),
    ],
)
def test_a_command_that_looks_things_up_imports_no_more_than_that(
    command: str, others: set[str]
) -> None:
    found = imported(
        "from trailhound.cli.late_imports import import_now\n"
        f"import trailhound.cli.{command}\n"
        "import_now()"
    )
    assert "opensearchpy" in found
    assert not others & found


def test_a_bucket_needs_no_more_of_aws_than_its_client() -> None:
    script = (
        "from ingest.sources import open_source\n"
        "from trailhound.settings import Settings\n"
        "open_source('s3://bucket/prefix', Settings(aws={'region': 'eu-west-1'}))"
    )
    found = imported(script)
    assert "botocore" in found
    assert not {"boto3", "s3transfer", "smart_open"} & found


@pytest.mark.parametrize("words", [["events"], ["alerts", "list"], ["alerts"], []])
def test_a_switch_has_no_type_in_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 0
    by_command = capsys.readouterr().out
    assert main([*words, "--help"]) == 0
    assert capsys.readouterr().out == by_command
    assert "--help" in by_command
    assert "bool" not in by_command


def test_a_misspelt_option_is_answered_by_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["events", "--sinc", "7d", "--json"]) == 2
    printed = capsys.readouterr()
    for text in (printed.err, printed.out):
        assert "No such option '--sinc'. Did you mean '--since'?" in text


def test_quiet_and_verbose_may_follow_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["rules", "list", "--level", "critical"]
    assert main(few) == 0
    assert " that alert" in capsys.readouterr().err
    assert main([*few, "-q"]) == 0
    quiet = capsys.readouterr()
    assert (quiet.err, "RootAccountUsage" in quiet.out) == ("", True)
    with own_port() as nobody:
        asked = ["events", "-v", "--url", f"http://ada:secret@127.0.0.1:{nobody}"]
        assert main(asked) == 3
    assert "secret" not in capsys.readouterr().err


def test_options_of_every_command_may_precede_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.yaml"
    monkeypatch.delenv("TRAILHOUND_NAMESPACE", raising=False)
    file.write_text("namespace: from-the-file\n", "utf-8")
    for given in (["--config", str(file)], [f"--config={file}", "--url", "http://127.0.0.1:1"]):
        assert main([*given, "-q", "config", "show", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)["settings"]
        assert {each["name"]: each["value"] for each in shown}["namespace"] == "from-the-file"
    assert main(["--config", str(file)]) == 2


def parameters(command: Any, words: list[str]) -> Any:
    """The words of each command, and its options with a lower bound: those that take a number."""
    for name in getattr(command, "commands", ()):
        yield from parameters(command.commands[name], [*words, name])
    for each in command.params:
        if getattr(each, "min", None) is not None and not getattr(each, "count", False):
            yield words, each.opts[0], each.max


def test_no_option_takes_a_number_that_nothing_can_work_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each of them, with what its command needs beside it left out where that is asked later."""
    found = list(parameters(typer.main.get_command(app), []))
    assert len({flag for _, flag, _ in found}) > 15
    needed = {"sample": ["/nowhere"], "backfill": ["/nowhere"], "rules backtest": ["x"]}
    needed |= {"timeline": ["ada"], "whois": ["ada"], "paths": ["a", "b"], "graph": ["ada"]}
    needed |= {"aws setup": ["x"], "aws check": ["x"], "aws logs-query": ["x", "y"]}
    checked = set()
    for words, flag, most in found:
        given = [*words, *needed.get(" ".join(words), []), flag, "9" * 20]
        code, said = main(given), " ".join(capsys.readouterr().err.split())
        assert code == 2, (given, said)
        if "too large: at most" in said or (most is not None and str(most) in said):
            checked.add((" ".join(words), flag))
    assert {("events", "--limit"), ("sample", "--days"), ("hunt", "--hours")} <= checked
    assert main(["events", "--limit", "9" * 20, "--json"]) == 2
    fault = json.loads(capsys.readouterr().out)["error"]
    assert (
        "'--limit': 99999999999999999999 is too large: at most 1,000,000,000,000"
        in fault["message"]
    )
    assert fault["kind"] == "UsageError"
    assert main(["sample", "/nowhere", "--days", "36501"]) == 2
    assert "at most 36,500" in capsys.readouterr().err
    assert main(["hunt", "--log-group", "x", "--price", "inf"]) == 2
    assert "inf is too large" in capsys.readouterr().err


def test_late_imports_name_what_they_import() -> None:
    """`import x` below `late_imports` fails where nothing else has imported x: not in the tests."""
    wrong = []
    for file in sorted((Path(__file__).parents[3] / "trailhound" / "cli").glob("*.py")):
        for block in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(block, ast.With) and "late_imports" in ast.unparse(block.items[0]):
                wrong += [
                    f"{file.name}:{it.lineno}" for it in block.body if isinstance(it, ast.Import)
                ]
    assert not wrong
