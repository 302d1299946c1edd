from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from trailhound.app.enrichment import enricher_from, load_enricher
from trailhound.settings import Settings


def settings_with(**enrich: Any) -> Settings:
    return Settings.model_validate({"enrich": {"geolocation": False} | enrich})


def said(settings: Settings) -> list[str]:
    sentences: list[str] = []
    enricher_from(settings, sentences.append)
    return sentences


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("missing.txt", None, "No such file"),
        ("broken.json", '{"objects": [', "broken JSON"),
        ("other.json", '{"a": 1}', "not a STIX 2 bundle"),
        ("empty.txt", "# nothing yet\n", "holds no entry"),
        ("page.txt", "<html>\n<body>\n", "2 of 2 entries are not recognised"),
        ("partly.txt", "203.0.113.7\n0.0.0.0/0\n", "line 2 ('0.0.0.0/0')"),
    ],
)
def test_a_threat_list_that_is_not_used_is_named_with_its_reason(
    tmp_path: Path, name: str, content: str | None, reason: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    good = tmp_path / "good.txt"
    good.write_text("198.51.100.1\n", encoding="utf-8")
    settings = settings_with(threat_lists=[{"path": str(path)}, {"path": str(good)}])
    (sentence,) = said(settings)
    assert str(path) in sentence
    assert reason in sentence
    (problem,) = load_enricher(settings).problems
    assert (problem.subject, str(problem)) == (f"threat list {path}", sentence)
    assert problem.unusable == (name not in {"empty.txt", "partly.txt"})


def test_a_directory_is_no_list(tmp_path: Path) -> None:
    (sentence,) = said(settings_with(threat_lists=[{"path": str(tmp_path)}]))
    assert str(tmp_path) in sentence


@pytest.mark.parametrize("setting", ["city_database", "asn_database"])
@pytest.mark.parametrize("content", [None, b"", b"no database\n" * 100])
def test_a_database_that_is_not_used_is_named_with_its_setting(
    tmp_path: Path, setting: str, content: bytes | None
) -> None:
    path = tmp_path / "geo.mmdb"
    if content is not None:
        path.write_bytes(content)
    sentences = said(settings_with(geolocation=True, **{setting: str(path)}))
    (sentence,) = [each for each in sentences if str(path) in each]
    assert f"enrich.{setting}" in sentence


def test_a_reload_keeps_what_an_unreadable_list_held(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("203.0.113.7\n", encoding="utf-8")
    settings = settings_with(threat_lists=[{"path": str(path)}])
    before = enricher_from(settings, pytest.fail)
    path.unlink()
    sentences: list[str] = []
    after = enricher_from(settings, sentences.append, before)
    assert len(sentences) == 1
    assert "stay active" in sentences[0]
    record = {"eventTime": "2024-05-01T10:00:00Z", "sourceIPAddress": "203.0.113.7"}
    assert after.document_fields(record)["threat"]["indicator"]["name"] == ["203.0.113.7"]


def test_a_reload_keeps_the_database_that_was_open(shared_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "city.mmdb"
    shutil.copyfile(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb", path)
    settings = settings_with(geolocation=True, city_database=str(path))
    before = enricher_from(settings, pytest.fail)
    path.unlink()
    sentences: list[str] = []
    after = enricher_from(settings, sentences.append, before)
    assert "stays active" in sentences[0]
    record = {"eventTime": "2024-05-01T10:00:00Z", "sourceIPAddress": "81.2.69.142"}
    assert after.document_fields(record)["geolocation"]["country_code"] == "GB"
