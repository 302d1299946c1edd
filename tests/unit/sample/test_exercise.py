"""An exercise: an attack that differs with the seed, answers that can be known, their grades."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from ingest.reading.recognise import kind_of
from tests.helpers.schemas import require_listing
from tests.unit.sample import trails
from trailhound.cli.main import app
from trailhound.errors import UsageError
from trailhound.sample import SampleSpec
from trailhound.sample.exercise import ANSWERS, SEALED, Solution, read_solution, write_exercise
from trailhound.sample.grading import POINTS, answers_of, graded, total

SPEC = SampleSpec(events=6_000, seed=4, days=2, accounts=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exercise") / "trail"
    write_exercise(made, SPEC)
    return made


def right(solution: Solution) -> dict[str, Any]:
    return {
        "who": [arn.rpartition("/")[2] for arn in solution.principals],
        "from": list(solution.addresses),
        "first": solution.steps[0].event_id.upper(),
        "last": solution.steps[-1].event_id,
        "objects": solution.objects[0],
        "calls": sorted({step.event_name for step in solution.steps}),
    }


def sealed_file(folder: Path) -> Path:
    return folder / ".sample" / SEALED


def grade(folder: Path, answers: object, *more: str) -> Result:
    form = folder.parent / "form.yaml"
    form.write_text(answers if isinstance(answers, str) else yaml.safe_dump(answers))
    return CliRunner().invoke(app, ["sample", str(folder), "--grade", str(form), *more])


def test_the_solution_is_of_events_of_the_trail_and_nothing_says_which(folder: Path) -> None:
    solution = read_solution(folder)
    events = {event["eventID"]: event for event in trails.events(folder)}
    assert len(events) == SPEC.events
    attack = [events[step.event_id] for step in solution.steps]
    assert [event["eventName"] for event in attack] == [s.event_name for s in solution.steps]
    assert {event["sourceIPAddress"] for event in attack} == set(solution.addresses)
    assert sorted(each.name for each in folder.iterdir()) == [".sample", "AWSLogs", ANSWERS]
    assert kind_of((folder / ANSWERS).read_bytes()) == "answers to a Trailhound exercise"
    assert kind_of(sealed_file(folder).read_bytes()) == "solution of a Trailhound exercise"
    # A reader of the folder reads the trail alone, not the labels.
    read = CliRunner().invoke(app, ["enrich", str(folder)])
    assert read.exit_code == 0, read.exception
    assert len(read.stdout.splitlines()) == SPEC.events
    for text in (solution.steps[0].event_id, solution.addresses[0], solution.attack):
        assert text.encode() not in sealed_file(folder).read_bytes()


def test_the_attack_differs_by_seed_and_is_the_same_for_one(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_exercise(again, SPEC)
    assert sealed_file(again).read_bytes() == sealed_file(folder).read_bytes()
    found = []
    for seed in range(8):
        write_exercise(
            tmp_path / str(seed), SampleSpec(events=1_000, seed=seed, days=1, accounts=1)
        )
        found.append(read_solution(tmp_path / str(seed)))
        # Whatever it is, every question has an answer.
        answers = answers_of_right(tmp_path / f"{seed}.yaml", found[-1])
        assert total(graded(answers, found[-1])) == 100
    assert len({each.attack for each in found}) > 1
    assert len({each.principals for each in found}) == len(found)


def answers_of_right(path: Path, solution: Solution) -> dict[str, tuple[str, ...]]:
    path.write_text(yaml.safe_dump(right(solution)))
    return answers_of(path)


def test_of_the_calls_of_one_second_any_is_the_first_or_last(folder: Path) -> None:
    """Records have whole seconds: no answer can tell which of them came before."""
    made = read_solution(folder)
    one, *_, last = made.steps
    beside = [replace(one, event_id="beside-one"), replace(last, event_id="beside-last")]
    solution = replace(made, steps=(one, beside[0], *made.steps[1:-1], beside[1], last))
    answers: dict[str, tuple[str, ...]] = dict.fromkeys(POINTS, ())
    found = graded(answers | {"first": ("beside-one",), "last": ("beside-last",)}, solution)
    assert {each.question: each.points for each in found if each.points} == {
        "first": 15,
        "last": 15,
    }


def test_right_wrong_and_missed_are_told_apart(folder: Path) -> None:
    solution = read_solution(folder)
    best = json.loads(grade(folder, right(solution), "--json").stdout)
    require_listing(best, "sample --grade")
    assert best["total"] == sum(POINTS.values()) == 100
    some = right(solution) | {
        "from": [solution.addresses[0], "192.0.2.1"],
        "first": solution.steps[3].event_id,
        "last": "",
        "objects": [solution.objects[0], "my-bucket"],
        "calls": ["GetCallerIdentity", "Nonsense"],
    }
    done = grade(folder, some, "--json")
    found = {each["question"]: each for each in json.loads(done.stdout)["questions"]}
    assert found["who"]["points"] == 20
    addresses = len(solution.addresses)
    assert found["from"]["wrong"] == ["192.0.2.1"]
    assert found["from"]["points"] == round(20 / (addresses + 1))
    assert (found["first"]["points"], found["last"]["points"]) == (7, 0)
    assert found["first"]["missed"] == [solution.steps[0].event_id]
    assert (found["objects"]["points"], found["objects"]["wrong"]) == (8, ["my-bucket"])
    right_calls = len(found["calls"]["right"])
    assert found["calls"]["points"] == round(
        15 * right_calls / (right_calls + len(found["calls"]["missed"]) + 1)
    )
    assert "StopLogging" in found["calls"]["missed"] or len(found["calls"]["missed"]) > 3


def test_what_the_form_lets_be_named_costs_no_points(tmp_path: Path) -> None:
    attacks = set()
    for seed in range(12):
        made = tmp_path / str(seed)
        write_exercise(made, SampleSpec(events=1_000, seed=seed, days=1, accounts=1))
        solution = read_solution(made)
        if solution.attack in attacks:
            continue
        attacks.add(solution.attack)
        ids = {step.event_id for step in solution.steps}
        calls = [event for event in trails.events(made) if event["eventID"] in ids]
        used = {event["userIdentity"].get("accessKeyId") for event in calls} - {None, ""}
        keys = {
            event["responseElements"]["accessKey"]["accessKeyId"]
            for event in calls
            if event["eventName"] == "CreateAccessKey" and not event.get("errorCode")
        }
        answers = {**dict.fromkeys(POINTS, ()), "who": (*solution.principals, *used, *keys)}
        (who, *_) = graded(answers, solution)
        assert (who.points, who.wrong, who.missed) == (20, (), ()), solution.attack
        for arn in solution.principals:
            (first, *_) = graded({**answers, "who": solution.names[arn][:1]}, solution)
            assert arn in first.right, "its key or role stands for it"
        for name in keys - used:
            (first, *_) = graded({**answers, "who": (name,)}, solution)
            assert (first.points, first.wrong) == (0, ()), "made, but nobody who acted"
        (first, *_) = graded({**answers, "who": (*solution.principals, "AKIANOBODY")}, solution)
        principals = len(solution.principals)
        assert first.wrong == ("AKIANOBODY",)
        assert first.points == round(20 * principals / (principals + 1))
    assert len(attacks) > 2


@pytest.mark.parametrize("text", ["[", "a: b", "- x", "whom: [x]", (yaml.safe_dump({"who": []}))])
def test_a_form_that_has_no_answers_shows_no_solution(folder: Path, text: str) -> None:
    done = grade(folder, text)
    assert isinstance(done.exception, UsageError)
    assert read_solution(folder).steps[0].event_id not in done.output


def test_what_is_no_exercise_is_said(folder: Path, tmp_path: Path) -> None:
    assert isinstance(grade(tmp_path / "nowhere", {"who": "x"}).exception, UsageError)
    (tmp_path / SEALED).write_bytes(sealed_file(folder).read_bytes())  # an earlier release's place
    assert read_solution(tmp_path) == read_solution(folder)
    (tmp_path / SEALED).write_bytes(b"x")
    with pytest.raises(UsageError, match="not a solution"):
        read_solution(tmp_path)
    with pytest.raises(UsageError, match="not empty"):
        write_exercise(folder, SPEC)
    with pytest.raises(UsageError, match="no room"):
        write_exercise(tmp_path / "small", SampleSpec(events=20))
    wrong = CliRunner().invoke(app, ["sample", str(tmp_path / "x"), "--exercise", "--no-attacks"])
    assert isinstance(wrong.exception, UsageError)
