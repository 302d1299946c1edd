"""A `name` or title that several rules have: which of them a reference means, and none is silenced
because of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sigma.correlations import SigmaCorrelationRule

from detections.packs.loading import load, load_paths
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings

IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(10)]
CALLS = ("CreateTrail", "DeleteTrail", "StopLogging", "UpdateTrail")


def rule(number: int, name: str = "", title: str = "", *, has_id: bool = True) -> str:
    return (
        f"title: {title or f'Rule {number}'}\n"
        + (f"id: {IDS[number]}\n" if has_id else "")
        + (f"name: {name}\n" if name else "")
        + "logsource: {product: aws, service: cloudtrail}\n"
        + f"detection: {{s: {{eventName: {CALLS[number % 4]}}}, condition: s}}\n"
    )


def counting(number: int, names: str, name: str = "") -> str:
    return (
        f"title: Many {number}\nid: {IDS[number]}\n"
        + (f"name: {name}\n" if name else "")
        + f"correlation:\n  type: event_count\n  rules: [{names}]\n"
        "  group-by: [userIdentity.arn]\n  timespan: 5m\n  condition: {gte: 5}\n"
    )


def exception(names: str) -> str:
    return (
        "title: Quiet\nlogsource: {product: aws, service: cloudtrail}\n"
        f"filter:\n  rules: [{names}]\n  s: {{awsRegion: eu-west-1}}\n  condition: not s\n"
    )


def loaded(root: Path, files: dict[str, str], *paths: str, **settings: Any) -> Pack:
    """The pack of the files at `paths`; without any, of every folder that is in `files`."""
    for name, text in files.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    given = paths or tuple(dict.fromkeys(name.split("/")[0] for name in files))
    return load_paths([root / each for each in given], DetectionSettings(**settings))


def parts(pack: Pack, number: int) -> list[str]:
    definition = pack.rule(IDS[number]).definition
    assert isinstance(definition, SigmaCorrelationRule)
    return [rule_id(each.rule) for each in definition.referenced_rules]


def narrowed(pack: Pack) -> set[str]:
    return {key for key, each in pack.compiled.items() if each.before_exceptions is not None}


def alerting(pack: Pack) -> list[str]:
    return sorted(each.id for each in pack.alerting)


def test_a_rule_with_the_name_of_a_shipped_one_raises_alerts_and_takes_no_place(
    tmp_path: Path,
) -> None:
    shipped = load(DetectionSettings())
    names = {
        each.events.name: each.id
        for each in shipped.rules
        if each.events is not None and each.events.name and not each.alerts
    }
    (tmp_path / "mine.yml").write_text(
        "---\n".join(
            rule(0, name).replace(f"id: {IDS[0]}", f"id: 00000000-0000-4000-9000-{number:012d}")
            for number, name in enumerate(names)
        )
    )
    made = load(DetectionSettings(), [tmp_path])
    assert [str(each) for each in made.problems] == []
    own = [each for each in made.rules if each.place.path == tmp_path / "mine.yml"]
    assert len(own) == len(names) > 50
    assert all(each.alerts for each in own)
    before = {each.id: each.alerts for each in shipped.rules}
    assert {each.id: each.alerts for each in made.rules if each not in own} == before
    ids = {each.id for each in own}
    for each in made.rules:
        if isinstance(each.definition, SigmaCorrelationRule):
            assert not ids.intersection(rule_id(it.rule) for it in each.definition.referenced_rules)


@pytest.mark.parametrize(
    ("files", "meant"),
    [
        ({"one/a.yml": rule(1, "x"), "two/b.yml": [rule(2, "x"), counting(9, "x")]}, 2),
        ({"one/a.yml": rule(1, "x"), "two/b.yml": counting(9, "x"), "two/c.yml": rule(2, "x")}, 2),
        ({"one/b.yml": [rule(1, "x"), counting(9, "x")], "two/a.yml": rule(2, "x")}, 1),
        ({"one/a.yml": rule(1, "x"), "one/b.yml": [counting(9, "x"), rule(2, "x")]}, 2),
        ({"one/a.yml": rule(1, "x"), "two/b.yml": counting(9, "x")}, 1),
        # A correlation of the name of its part, and an id that is the name of another rule.
        ({"one/a.yml": rule(1, "x"), "two/b.yml": counting(9, "x", name="x")}, 1),
        ({"one/a.yml": rule(1), "two/b.yml": [rule(2, IDS[1]), counting(9, IDS[1])]}, 1),
    ],
    ids=["file", "pack", "file of the first", "file before pack", "elsewhere", "itself", "id"],
)
def test_a_reference_means_the_rule_of_its_own_file_then_of_its_own_pack(
    files: dict[str, Any], meant: int, tmp_path: Path
) -> None:
    texts = {
        name: text if isinstance(text, str) else "---\n".join(text) for name, text in files.items()
    }
    made = loaded(tmp_path, texts)
    assert parts(made, 9) == [IDS[meant]]
    assert made.faults == ()
    assert alerting(made) == sorted({each.id for each in made.rules} - {IDS[meant]})


def test_files_given_one_by_one_are_of_the_pack_of_their_folder(tmp_path: Path) -> None:
    files = {"one/a.yml": rule(1, "x"), "two/b.yml": counting(9, "x"), "two/c.yml": rule(2, "x")}
    made = loaded(tmp_path, files, "one/a.yml", "two/b.yml", "two/c.yml")
    assert parts(made, 9) == [IDS[2]]
    assert made.faults == ()


@pytest.mark.parametrize(
    "files",
    [
        {"one/a.yml": rule(1, "x"), "two/b.yml": rule(2, "x"), "three/c.yml": counting(9, "x")},
        {"one/a.yml": rule(1, "x"), "one/b.yml": rule(2, "x"), "one/c.yml": counting(9, "x")},
        {"one/a.yml": f"{rule(1, 'x')}---\n{rule(2, 'x')}---\n{counting(9, 'x')}"},
    ],
    ids=["packs", "files", "file"],
)
def test_where_nothing_decides_a_warning_names_both_and_neither_is_silenced(
    files: dict[str, str], tmp_path: Path
) -> None:
    made = loaded(tmp_path, files)
    assert parts(made, 9) == [IDS[1]]
    assert alerting(made) == [IDS[1], IDS[2], IDS[9]]
    (warning,) = made.problems
    assert (warning.what, warning.stops, made.incomplete) == ("warning", False, False)
    assert warning.rule_id == IDS[9]
    for number in (1, 2):
        assert f"'Rule {number}' ({IDS[number]}, {made.rule(IDS[number]).place})" in warning.reason
    assert "the first is taken" in warning.reason
    assert "id" in warning.hint


def test_the_warning_comes_once_though_a_broken_correlation_is_left_out(tmp_path: Path) -> None:
    broken = counting(8, "nothing")
    texts = [rule(1, "x"), rule(2, "x"), counting(9, "x"), broken]
    made = loaded(tmp_path, {"one/a.yml": "---\n".join(texts)})
    assert sorted(each.what for each in made.problems) == ["rule", "warning"]


def test_a_title_of_the_own_pack_is_before_a_name_elsewhere(tmp_path: Path) -> None:
    files = {
        "one/a.yml": rule(1, "Trail gone") + "---\n" + rule(3, title="Other"),
        "two/b.yml": rule(2, title="Trail gone") + "---\n" + counting(9, "Trail gone"),
    }
    made = loaded(tmp_path, files)
    assert parts(made, 9) == [IDS[2]]
    (warning,) = made.problems
    assert "by its title" in warning.reason


def test_rules_without_an_id_and_with_one_name_all_run(tmp_path: Path) -> None:
    files = {
        "one/a.yml": rule(1, "x", has_id=False),
        "two/b.yml": f"{rule(2, 'x', has_id=False)}---\n{rule(3, 'x', has_id=False)}",
        "two/copy.yml": rule(1, "x", has_id=False),
    }
    made = loaded(tmp_path, files)
    assert [each.title for each in made.alerting] == ["Rule 1", "Rule 2", "Rule 3"]
    assert len({each.id for each in made.rules}) == 3
    (tmp_path / "again").mkdir()
    again = loaded(tmp_path / "again", {}, "../one", "../two")
    assert [each.id for each in again.rules] == [each.id for each in made.rules]
    of_b, also_of_b, copied = made.problems
    for warning in (of_b, also_of_b):
        assert "it has no id, and the name 'x' of 'Rule 1'" in warning.reason
        assert "one/a.yml" in warning.reason
        assert warning.what == "warning"
    assert "this rule is left out" in copied.reason, "it is the same rule"


@pytest.mark.parametrize(
    ("files", "names", "meant"),
    [
        ({"one/a.yml": rule(1, "x"), "two/b.yml": f"{rule(2, 'x')}---\n{exception('x')}"}, 2, 0),
        ({"one/a.yml": rule(1, "x"), "two/b.yml": rule(2, "x"), "two/e.yml": exception("x")}, 2, 0),
        (
            {"one/a.yml": rule(1), "two/b.yml": rule(2, IDS[1]), "two/e.yml": exception(IDS[1])},
            1,
            0,
        ),
        ({"one/a.yml": rule(1, "x"), "two/b.yml": rule(2, "x"), "ex/e.yml": exception("x")}, 1, 1),
    ],
    ids=["file", "pack", "id", "undecided"],
)
def test_an_exception_narrows_the_one_rule_that_its_name_means(
    files: dict[str, str], names: int, meant: int, tmp_path: Path
) -> None:
    made = loaded(tmp_path, files)
    assert narrowed(made) == {IDS[names]}
    assert [each.what for each in made.problems] == ["warning"] * meant
    for each in made.problems:
        assert all(str(made.rule(IDS[number]).place) in each.reason for number in (1, 2))
        assert each.place.path.name == "e.yml"


def test_a_name_in_another_case_and_a_correlation_narrow_nothing_and_say_so(
    tmp_path: Path,
) -> None:
    rules = [rule(1, "trail_made"), rule(2, "trail_gone"), counting(9, "trail_gone", name="many")]
    text = "---\n".join([*rules, exception("Trail_Gone, trail_made, many")])
    made = loaded(tmp_path, {"one/a.yml": text})
    assert narrowed(made) == {IDS[1]}
    unknown, correlation = sorted(made.problems, key=lambda each: "correlation" in each.reason)
    assert "names 'Trail_Gone', and no rule has that id or `name`" in unknown.reason
    assert unknown.hint == "did you mean 'trail_gone'?"
    assert "names 'many', which is a correlation" in correlation.reason
    alone = loaded(tmp_path, {"one/a.yml": "---\n".join([*rules, exception("Trail_Gone")])})
    (nothing,) = alone.problems
    assert ("matches no rule" in nothing.reason, nothing.hint) == (True, unknown.hint)


@pytest.mark.parametrize("name", ["[x, y]", "{a: b}", "''", "1"])
def test_what_is_no_name_is_a_fault_and_no_more(name: str, tmp_path: Path) -> None:
    text = "---\n".join([rule(1, "x"), counting(9, name), exception(name)])
    made = loaded(tmp_path, {"one/a.yml": text})
    assert [each.id for each in made.rules] == [IDS[1]]
    assert len(made.problems) >= 2


def test_an_override_by_name_or_title_is_told_each_id(tmp_path: Path) -> None:
    files = {"one/a.yml": rule(1, "x", "Gone"), "two/b.yml": rule(2, "x", "Gone")}
    for key in ("x", "gone"):
        made = loaded(tmp_path, files, overrides={key: {"enabled": False}})
        (fault,) = made.problems
        places = [f"{IDS[number]} ({made.rule(IDS[number]).place})" for number in (1, 2)]
        assert fault.hint == f"its id is {' or '.join(places)}"


def test_a_title_that_two_rules_have_is_answered_with_their_ids_and_files(tmp_path: Path) -> None:
    made = loaded(
        tmp_path, {"one/a.yml": rule(1, title="Gone"), "two/b.yml": rule(2, title="Gone")}
    )
    with pytest.raises(UsageError) as refused:
        made.rule("Gone")
    for number in (1, 2):
        assert f"Gone ({IDS[number]}, {made.rule(IDS[number]).place})" in str(refused.value)


def test_a_rule_is_shown_by_the_name_that_correlations_and_exceptions_use(tmp_path: Path) -> None:
    made = loaded(tmp_path, {"one/a.yml": rule(1, "made", "Gone"), "two/b.yml": rule(2, "other")})
    assert (made.rule("made").id, made.rule("made").name) == (IDS[1], "made")
    twice = loaded(tmp_path, {"one/a.yml": rule(1, "x", "Gone"), "two/b.yml": rule(2, "x", "Left")})
    with pytest.raises(UsageError, match="2 rules have this name: Gone; Left"):
        twice.rule("x")
