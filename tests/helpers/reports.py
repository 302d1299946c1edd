"""Reports for tests: of any shape, every text of them the same, however hostile."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from trailhound.report.event import BANDS
from trailhound.report.findings import FindingBand
from trailhound.report.value import Bar, Graph, Report, TimeBucket, Timeline

START = datetime(2025, 3, 1, tzinfo=UTC)

HOSTILE = (
    '<script>alert(1)</script><img src=x onerror=alert(2)>" onmouseover="alert(3)\' '
    "onfocus='alert(4) ` javascript:alert(5) ]]> --> </style></title></svg> &lt;b&gt; "
    "{{7*7}} {% raw %} http://evil.example/x\x00\x1b[2J\x7f\x85\u200b\u202e\u2066\u2028\ufeff\ud800"
)
"""All that a text could try at once: tags, quotes, entities, templates, control characters."""

ACTIVE = "\x00\x1b\x7f\x85\u200b\u202e\u2066\u2028\ufeff\ud800"
"""Of those, the characters that must not reach a page as they are."""


def filled(kind: Any, text: str, seed: int = 1) -> Any:
    """A value of a type of `trailhound.report.value`: every text is `text`, every tuple has two."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(
            **{
                field.name: filled(hints[field.name], text, seed + number)
                for number, field in enumerate(fields(kind))
                if field.init
            }
        )
    if origin is tuple:
        return tuple(filled(arguments[0], text, seed + number) for number in range(2))
    if origin is Literal:
        return arguments[0]
    if origin in (types.UnionType, Union):
        return filled(arguments[0], text, seed)
    made: dict[Any, Any] = {
        str: text,
        int: seed % 10 + 1,
        float: 10.5 + seed,
        bool: True,
        datetime: START + timedelta(minutes=seed),
    }
    return made[kind]


def report_of(text: str) -> Report:
    """A whole report: all sections, charts, a graph whose lines join its nodes."""
    made: Report = filled(Report, text)
    slots = tuple(
        TimeBucket(
            START + timedelta(hours=hour), 100 + hour, hour % 5, hour % 3, hour % 2, 1, hour % 4
        )
        for hour in range(24)
    )
    bands = tuple(
        FindingBand(band, 7, 6, tuple(replace(each, severity=severity) for each in found.top))
        for band, severity, found in zip(
            BANDS, (9, 6, 2), (*made.findings.bands, made.findings.bands[0]), strict=True
        )
    )
    first, second = made.graph.nodes
    third = replace(second, id="c", lane=2)
    graph = Graph(
        (
            replace(first, id="a", lane=0, events=5, failed=2),
            replace(second, id="b", lane=1, bad=False),
            third,
        ),
        tuple(
            replace(edge, source=source, target=target, events=5, failed=number)
            for number, (edge, source, target) in enumerate(
                zip(made.graph.edges, "ab", "bc", strict=True)
            )
        ),
        3,
    )
    assert made.posture is not None
    failed, passed = made.posture.findings
    return replace(
        made,
        posture=replace(made.posture, findings=(replace(failed, verdict="fail"), passed)),
        timeline=Timeline(3_600, slots),
        risk=tuple(Bar(score, 10 ** max(0, 5 - score)) for score in range(1, 11)),
        findings=replace(made.findings, bands=bands, total=21, open=20),
        graph=graph,
    )
