"""The client over real HTTP, against a server of the API's shape; and the commands on top."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboards import ndjson, shipped
from dashboards.server import DashboardsServer
from tests.helpers.dashboards_api import Api, serving
from tests.helpers.secured import Authority
from trailhound.cli.main import app
from trailhound.errors import (
    DashboardsRefusedError,
    DashboardsUnreachableError,
    SettingsError,
    UsageError,
)
from trailhound.settings import DashboardsSettings

VIEW = {
    "type": "index-pattern",
    "id": "cloudtrail-*",
    "attributes": {"title": "cloudtrail-*"},
    "references": [],
}


@pytest.fixture
def api() -> Iterator[Api]:
    with serving() as started:
        yield started


def server(api: Api, **settings: Any) -> DashboardsServer:
    return DashboardsServer(DashboardsSettings(url=api.url, **settings))


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["dashboards", *arguments])


def test_all_that_is_shipped_is_imported(api: Api) -> None:
    lines = shipped.chosen([])
    done = server(api).import_objects(lines, overwrite=False)
    assert {each.outcome for each in done} == {"imported"}
    assert set(api.stored["", ""]) == {(each["type"], each["id"]) for each in lines}


def test_what_exists_keeps_nothing_else_from_being_written(api: Api) -> None:
    other = VIEW | {"id": "other-*"}
    server(api).import_objects([VIEW], overwrite=False)
    done = server(api).import_objects([other, VIEW], overwrite=False)
    assert [each.outcome for each in done] == ["imported", "kept"]
    assert {name for _, name in api.stored["", ""]} == {"other-*", VIEW["id"]}


def test_what_exists_is_kept_unless_it_is_to_be_replaced(api: Api) -> None:
    lines = shipped.chosen(["overview"])
    server(api).import_objects([lines[0]], overwrite=False)
    again = server(api).import_objects(lines, overwrite=False)
    assert (again[0].outcome, again[0].detail) == ("kept", "exists already")
    assert {each.outcome for each in again[1:]} == {"imported"}
    replaced = server(api).import_objects(lines, overwrite=True)
    assert {each.outcome for each in replaced} == {"replaced"}


def test_each_object_that_fails_says_why_and_takes_the_others_along(api: Api) -> None:
    orphan = VIEW | {
        "type": "search",
        "id": "orphan",
        "references": [{"name": "x", "type": "index-pattern", "id": "gone"}],
    }
    api.unknown_kinds = frozenset({"lens"})
    strange = VIEW | {"type": "lens", "id": "strange"}
    done = server(api).import_objects([VIEW, orphan, strange], overwrite=False)
    assert [(each.id, each.outcome, each.detail) for each in done] == [
        ("cloudtrail-*", "failed", "not written, because others failed"),
        ("orphan", "failed", "refers to missing objects: index-pattern gone"),
        ("strange", "failed", "the server does not support this kind of object"),
    ]


def test_login_tenant_workspace_and_base_path(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("pässword\n", "utf-8")
    with serving(base="/siem") as api:
        api.login = "loader:pässword"
        more = {"username": "loader", "password_file": secret}
        server(api, tenant="red team", workspace="a1", **more).import_objects(
            [VIEW], overwrite=True
        )
        assert list(api.stored) == [("a1", "red team")]
        [(path, headers)] = api.requests
        assert path == "/siem/w/a1/api/saved_objects/_import?overwrite=true"
        assert headers["osd-xsrf"]
        with pytest.raises(DashboardsRefusedError, match="refused the login"):
            server(api).import_objects([VIEW], overwrite=True)


def test_an_api_key_is_a_login_to_kibana(api: Api, tmp_path: Path) -> None:
    api.api_key, api.kibana = "aWQ6a2V5", True
    file = tmp_path / "key"
    file.write_text("aWQ6a2V5\n", "utf-8")
    for login in ({"api_key": "aWQ6a2V5"}, {"api_key_file": file, "username": "loader"}):
        [made] = server(api, **login).import_objects([VIEW], overwrite=True)
        assert made.outcome in ("imported", "replaced")
    with pytest.raises(DashboardsRefusedError, match="or API key") as refused:
        server(api, api_key="b3RoZXI6a2V5").import_objects([VIEW], overwrite=True)
    said = f"{refused.value.message} {refused.value.hint}"
    assert "TRAILHOUND_DASHBOARDS__API_KEY" in said
    assert "b3RoZXI6a2V5" not in said
    with pytest.raises(SettingsError, match=r"dashboards\.api_key is not an encoded API key"):
        server(api, api_key="id:secret")


def test_a_client_certificate_is_shown_where_it_is_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, ours = authority.issue("dashboards"), authority.issue("loader")
    tls = (str(own.certificate), str(own.key))
    with serving(tls=tls, clients=authority.bundle) as api:
        known = {"ca_bundle": authority.bundle}
        with_it = server(api, **known, client_cert=ours.certificate, client_key=ours.key)
        assert with_it.import_objects([VIEW], overwrite=False)[0].outcome == "imported"
        with pytest.raises(DashboardsUnreachableError):
            server(api, **known).import_objects([VIEW], overwrite=False)


def test_tls_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("dashboards")
    with serving(tls=(str(own.certificate), str(own.key))) as api:
        trusted = server(api, ca_bundle=authority.bundle)
        assert trusted.import_objects([VIEW], overwrite=False)[0].outcome == "imported"
        with pytest.raises(DashboardsUnreachableError) as refused:
            server(api).import_objects([VIEW], overwrite=False)
        assert "dashboards.ca_bundle" in refused.value.hint
        unverified = server(api, verify_certs=False)
        assert unverified.import_objects([VIEW], overwrite=True)[0].outcome == "replaced"


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        ((302, {"location": "/app/login"}, b""), "redirects to", "dashboards.username"),
        ((403, {}, b'{"message":"no permissions"}'), "no permissions", "tenant"),
        ((404, {}, b"<html>nginx</html>"), "is not OpenSearch Dashboards or Kibana", "base path"),
        ((501, {}, b"<html>no POST here</html>"), "Dashboards or Kibana", "dashboards.url"),
        ((400, {}, b'{"error":"no handler","status":400}'), "Dashboards or Kibana", "browser"),
        ((502, {}, b"<html>nginx</html>"), r"no reason given \(status 502\)", ""),
        ((413, {}, b""), "rejects the file as too large", "one dashboard at a time"),
        ((503, {}, b"not ready yet"), r"not ready yet \(status 503\)", ""),
        ((200, {}, b"<html>hello</html>"), "Dashboards or Kibana", "dashboards.url"),
        ((200, {}, b"[]"), "Dashboards or Kibana", "dashboards.url"),
    ],
)
def test_every_other_answer_is_a_sentence(
    api: Api, answer: tuple[int, dict[str, str], bytes], message: str, hint: str
) -> None:
    api.answer = answer
    with pytest.raises(DashboardsRefusedError, match=message) as refused:
        server(api).import_objects([VIEW], overwrite=False)
    assert hint in refused.value.hint


def test_nobody_there() -> None:
    nobody = DashboardsServer(DashboardsSettings(url="http://127.0.0.1:9"))
    with pytest.raises(DashboardsUnreachableError, match=r"or Kibana at .*:9 cannot be reached"):
        nobody.import_objects([VIEW], overwrite=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "http://user:secret@127.0.0.1:5601"},
        {"username": "somebody"},
        {"password": "secret"},
        {"username": "somebody", "password_file": "/nowhere"},
        {"api_key_file": "/nowhere"},
        {"url": "https://127.0.0.1", "ca_bundle": "/nowhere"},
        {"url": "https://127.0.0.1", "ca_bundle": __file__},
        {"url": "https://127.0.0.1", "client_cert": "/nowhere"},
    ],
)
def test_settings_that_cannot_be_used(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as refused:
        DashboardsServer(DashboardsSettings(**settings))
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_export_gives_back_what_was_imported(api: Api) -> None:
    lines = shipped.chosen(["alerts"])
    server(api).import_objects(lines, overwrite=False)
    server(api).import_objects(shipped.chosen(["ingest"]), overwrite=False)
    content = server(api).export_objects([("dashboard", "trailhound-alerts")]).decode()
    back = ndjson.parse(content, "export")
    assert {(each["type"], each["id"]) for each in back} == {
        (each["type"], each["id"]) for each in lines
    }
    every = ndjson.parse(server(api).export_objects([]).decode(), "export")
    assert [each["id"] for each in every if each["type"] == "dashboard"] == [
        "trailhound-alerts",
        "trailhound-ingest",
    ]
    with pytest.raises(DashboardsRefusedError, match="dashboard no-such-thing"):
        server(api).export_objects([("dashboard", "no-such-thing")])


def test_a_namespace_renames_indices_ids_references_links_and_vega() -> None:
    lines = ndjson.namespaced(shipped.chosen(["overview"]), "red-")
    text = ndjson.written(lines)
    assert "trailhound-" not in text.replace("red-trailhound-", "")
    assert "cloudtrail-*" not in text.replace("red-cloudtrail-*", "")
    assert ndjson.namespaced(lines, "") == lines
    ids = {(each["type"], each["id"]) for each in lines}
    assert all((r["type"], r["id"]) in ids for each in lines for r in each["references"])


def test_the_import_command(api: Api, tmp_path: Path) -> None:
    done = run("import", "overview", "--url", api.url, "--namespace", "red")
    assert done.exit_code == 0, done.output
    assert "CloudTrail Security Overview" in done.output
    assert ("dashboard", "red-trailhound-overview") in api.stored["", ""]
    again = run("import", "overview", "--url", api.url, "--namespace", "red", "--json")
    assert {each["outcome"] for each in json.loads(again.output)["objects"]} == {"kept"}

    run("import", "root", "--url", api.url, "--since", "2025-03-03", "--until", "2025-03-10")
    attributes = api.stored["", ""]["dashboard", "trailhound-root"]["attributes"]
    assert (attributes["timeFrom"], attributes["timeTo"]) == ("2025-03-03", "2025-03-10")

    orphan = tmp_path / "mine.ndjson"
    reference = {"name": "x", "type": "index-pattern", "id": "gone"}
    orphan.write_text(json.dumps(VIEW | {"type": "search", "references": [reference]}))
    failed = run("import", str(orphan), "--url", api.url)
    assert failed.exit_code == 1
    assert "refers to missing objects" in failed.output


def test_the_export_command_makes_a_file_that_imports(api: Api, tmp_path: Path) -> None:
    assert run("import", "ingest", "--url", api.url).exit_code == 0
    file = tmp_path / "mine.ndjson"
    assert run("export", "ingest", "-o", str(file), "--url", api.url).exit_code == 0
    done = run("import", str(file), "--url", api.url, "--overwrite", "--json")
    assert {each["outcome"] for each in json.loads(done.output)["objects"]} == {"replaced"}


def test_the_open_command_prints_the_address() -> None:
    plain = run("open", "--print", "--url", "https://siem.example/base/")
    assert plain.output.strip() == (
        "https://siem.example/base/app/dashboards#/view/trailhound-overview"
    )
    full = run(
        *("open", "alerts", "--print", "--url", "https://siem.example", "--since", "now-30d"),
        *("--tenant", "red team", "--workspace", "a1", "--namespace", "red"),
    )
    assert full.output.strip() == (
        "https://siem.example/w/a1/app/dashboards?security_tenant=red+team"
        "#/view/red-trailhound-alerts?_g=(time:(from:'now-30d',to:'now'))"
    )


def test_the_build_command(tmp_path: Path) -> None:
    assert "9 files written in" in run("build", "-o", str(tmp_path)).output
    assert "no file changed in" in run("build", "-o", str(tmp_path)).output
    next(tmp_path.glob("*.ndjson")).write_text("{}", "utf-8")
    (tmp_path / "other.ndjson").write_text("{}", "utf-8")
    done = run("build", "-o", str(tmp_path)).output
    assert "1 file changed, 1 file removed in" in done


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("not json", ":1 is not JSON"),
        ("[]", ":1 is not a saved object"),
        ("", "holds no saved object"),
        ('{"exportedCount":0}', "holds no saved object"),
    ],
)
def test_a_file_that_holds_something_else(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "x.ndjson"
    file.write_text(content)
    with pytest.raises(UsageError, match=says):
        shipped.chosen([str(file)])


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match="no dashboard is called 'overvew'") as refused:
        shipped.chosen(["overvew"])
    assert "overview" in refused.value.hint


def test_a_dashboard_is_looked_up_by_its_id(api: Api) -> None:
    api.answer = (200, {}, b'{"id":"mine","type":"dashboard"}')
    assert server(api).has_dashboard("mine")
    api.answer = (404, {}, b'{"statusCode":404,"error":"Not Found","message":"not found"}')
    assert not server(api).has_dashboard("nosuch")
    api.answer = (404, {}, b"<html>nginx</html>")
    with pytest.raises(DashboardsRefusedError, match="is not OpenSearch Dashboards or Kibana"):
        server(api).has_dashboard("nosuch")


def test_a_page_is_never_written_as_an_export(api: Api) -> None:
    api.answer = (200, {"content-type": "text/html"}, b"<html>hello</html>")
    with pytest.raises(DashboardsRefusedError, match="text/html") as refused:
        server(api).export_objects([])
    assert "<html" not in refused.value.message


def test_serverless_is_refused_before_any_request() -> None:
    settings = DashboardsSettings(url="https://abc.us-east-1.aoss.amazonaws.com/_dashboards")
    with pytest.raises(SettingsError, match="Serverless is not supported"):
        DashboardsServer(settings)


def test_open_takes_the_id_of_a_dashboard_that_is_there_and_no_other(api: Api) -> None:
    mine = {**VIEW, "type": "dashboard", "id": "mine", "attributes": {"title": "Mine"}}
    server(api).import_objects([mine], overwrite=False)
    there = run("open", "mine", "--print", "--url", api.url)
    assert there.exit_code == 0
    assert "#/view/mine" in there.output
    missing = run("open", "nosuch", "--print", "--url", api.url).exception
    assert isinstance(missing, UsageError)
    assert "overview" in missing.hint


def test_kibana_is_asked_by_its_header_and_given_its_own_form(api: Api) -> None:
    api.kibana = True
    ended = run("import", "overview", "--url", api.url)
    assert ended.exit_code == 0, ended.output
    stored = api.stored["", ""]
    dashboard = stored["dashboard", "trailhound-overview"]
    assert "controlGroupInput" in dashboard["attributes"]
    assert not any("input_control_vis" in json.dumps(each) for each in stored.values())
    api.answer = (500, {"content-type": "application/json"}, b'{"message":"no"}')
    ended = run("import", "overview", "--url", api.url)
    assert f"Kibana at {api.url} refused" in str(ended.exception)


def test_kibanas_files_are_built_into_a_folder_of_their_own(tmp_path: Path) -> None:
    assert run("build", "--product", "elasticsearch").exit_code != 0
    ended = run("build", "--product", "elasticsearch", "-o", str(tmp_path / "kibana"))
    assert ended.exit_code == 0, ended.output
    texts = [each.read_text("utf-8") for each in (tmp_path / "kibana").glob("*.ndjson")]
    assert len(texts) == len(shipped.NAMES)
    assert all('"coreMigrationVersion"' in each for each in texts)
