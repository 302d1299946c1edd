"""The client of OpenSearch Dashboards and Kibana: import and export of saved objects over HTTP.

`POST /api/saved_objects/_import` takes an `.ndjson` file as a form and answers object by object;
`POST /api/saved_objects/_export` gives one back. A workspace is a prefix of the path
(`/w/<id>`), a tenant of the security plugin a header (`securitytenant`).
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning, LocationParseError

from dashboards.imported import Imported, outcomes
from dashboards.ndjson import Line, parse, written
from trailhound import __version__
from trailhound.cluster.client import refuse_serverless
from trailhound.cluster.login import api_key, tls_context
from trailhound.cluster.refusals import redact_url
from trailhound.errors import (
    DashboardsRefusedError,
    DashboardsUnreachableError,
    SettingsError,
    UsageError,
)
from trailhound.settings import DashboardsSettings
from trailhound.settings.secret import read_secret

_CHECK = "check dashboards.url: it is the address that a browser opens, with its base path"
_LONGEST = 300
_NO_REASON = "no reason given"
_DOWN = (500, 502, 503, 504)
"""Statuses with which a proxy answers while Dashboards is down."""

_NAMED_BY: Final = {"kbn-name": "Kibana", "osd-name": "OpenSearch Dashboards"}
"""The header that each sends with its replies."""


class DashboardsServer:
    """One OpenSearch Dashboards or Kibana.

    Raises `SettingsError` for settings that cannot be used.
    """

    def __init__(self, settings: DashboardsSettings) -> None:
        address = urlsplit(settings.address)
        refuse_serverless([address.hostname or ""])
        if address.username is not None or not address.hostname:
            raise SettingsError(
                "dashboards.url must have a host and no login",
                hint="write it as https://host:port/base-path; the login goes to "
                "dashboards.username and dashboards.password",
            )
        self._settings = settings
        self._product = "OpenSearch Dashboards or Kibana"  # until a reply tells which
        workspace = f"/w/{quote(settings.workspace, safe='')}" if settings.workspace else ""
        self.base = settings.address.rstrip("/") + workspace
        self._headers = _headers(settings)
        tls: dict[str, Any] = {"ssl_context": _tls(settings)} if address.scheme == "https" else {}
        self._pool = urllib3.PoolManager(timeout=settings.timeout, retries=False, **tls)

    def import_objects(self, lines: Sequence[Line], *, overwrite: bool) -> list[Imported]:
        """The result for each object. Without `overwrite`, one that exists is kept unchanged.

        Where some exist, Dashboards writes none: the others are sent again by themselves.
        """
        done = self._imported(lines, overwrite=overwrite)
        kept = {(each.kind, each.id): each for each in done if each.outcome == "kept"}
        others = [line for line in lines if (line["type"], line["id"]) not in kept]
        if kept and others:
            done = [*kept.values(), *self._imported(others, overwrite=overwrite)]
        found = {(each.kind, each.id): each for each in done}
        return [found[line["type"], line["id"]] for line in lines]

    def _imported(self, lines: Sequence[Line], *, overwrite: bool) -> list[Imported]:
        path = "/api/saved_objects/_import" + ("?overwrite=true" if overwrite else "")
        file = ("trailhound.ndjson", written(lines).encode(), "application/ndjson")
        reply = self._request("POST", path, fields={"file": file})
        return outcomes(lines, self._json(reply, "success"))

    def is_kibana(self) -> bool:
        """Whether it is Kibana, which is named in the headers of each reply.

        Raises `DashboardsUnreachableError`.
        """
        self._send("GET", "/api/status")
        return self._product == "Kibana"

    def has_dashboard(self, name: str) -> bool:
        """Whether it has a dashboard of this id."""
        path = f"/api/saved_objects/dashboard/{quote(name, safe='')}"
        reply = self._send("GET", path)
        if reply.status == 200:
            self._json(reply, "id")
            return True
        if reply.status == 404 and _object_of(reply).get("statusCode") == 404:
            return False
        raise _refused(self._where, reply)

    def export_objects(self, wanted: Sequence[tuple[str, str]]) -> bytes:
        """`.ndjson` of these (kind, id) with all that they refer to; of every dashboard if empty.

        Raises `DashboardsRefusedError` where one of them does not exist.
        """
        body: dict[str, Any] = {"includeReferencesDeep": True, "excludeExportDetails": True}
        if wanted:
            body["objects"] = [{"type": kind, "id": name} for kind, name in wanted]
        else:
            body["type"] = ["dashboard"]
        reply = self._request(
            "POST",
            "/api/saved_objects/_export",
            body=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            parse(reply.data.decode(), "the export")
        except (UsageError, UnicodeDecodeError):
            raise _not_dashboards(self._where, reply) from None
        return reply.data

    def address_of(self, dashboard: str, since: str = "", until: str = "") -> str:
        """The address of a dashboard for a browser; `since` and `until` override its time range."""
        tenant = self._settings.tenant
        query = f"?{urlencode({'security_tenant': tenant})}" if tenant else ""
        address = f"{self.base}/app/dashboards{query}#/view/{quote(dashboard, safe='*')}"
        if since or until:
            time = f"(from:'{since or 'now-7d'}',to:'{until or 'now'}')"
            address += f"?_g=(time:{time})"
        return address

    @property
    def _where(self) -> str:
        return f"{self._product} at {redact_url(self.base)}"

    def _request(self, method: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        reply = self._send(method, path, **more)
        if reply.status == 200:
            return reply
        raise _refused(self._where, reply)

    def _send(self, method: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **more.pop("headers", {})}
        try:
            reply = self._pool.request(
                method, self.base + path, headers=headers, redirect=False, **more
            )
        except (HTTPError, LocationParseError) as error:
            raise _unreachable(self._where, error) from None
        for header, product in _NAMED_BY.items():
            if header in reply.headers:
                self._product = product
        return reply

    def _json(self, reply: urllib3.BaseHTTPResponse, name: str) -> dict[str, Any]:
        """The JSON object of a reply. Raises `DashboardsRefusedError` if it lacks the member
        `name`: the server is neither Dashboards nor Kibana."""
        found = _object_of(reply)
        if name not in found:
            raise _not_dashboards(self._where, reply)
        return found


def _headers(settings: DashboardsSettings) -> dict[str, str]:
    # Dashboards refuses a request that writes without `osd-xsrf`, Kibana one without `kbn-xsrf`;
    # any value is accepted, and each ignores the other's header.
    headers = {
        "osd-xsrf": "trailhound",
        "kbn-xsrf": "trailhound",
        "user-agent": f"trailhound/{__version__}",
    }
    if settings.tenant:
        headers["securitytenant"] = settings.tenant
    if (key := api_key(settings, "dashboards")) is not None:
        return {**headers, "authorization": f"ApiKey {key}"}
    password = read_secret("dashboards.password", settings.password, settings.password_file)
    if settings.username is None and password is None:
        return headers
    if settings.username is None or password is None:
        missing = "dashboards.username" if settings.username is None else "dashboards.password"
        raise SettingsError(
            f"a login needs {missing} as well",
            hint="set TRAILHOUND_DASHBOARDS__USERNAME, and TRAILHOUND_DASHBOARDS__PASSWORD or "
            "dashboards.password_file",
        )
    login = base64.b64encode(f"{settings.username}:{password}".encode()).decode()
    return {**headers, "authorization": f"Basic {login}"}


def _tls(settings: DashboardsSettings) -> ssl.SSLContext:
    if not settings.verify_certs:
        # The setting was chosen explicitly: no warning at every request.
        urllib3.disable_warnings(InsecureRequestWarning)
    return tls_context(settings, "dashboards")


def _unreachable(where: str, error: Exception) -> DashboardsUnreachableError:
    message = str(error)
    hint = "start it, or check dashboards.url"
    if "CERTIFICATE_VERIFY_FAILED" in message:
        hint = "name its CA: dashboards.ca_bundle"
    elif "CERTIFICATE_REQUIRED" in message or "certificate required" in message:
        hint = "it requires a client certificate: dashboards.client_cert and dashboards.client_key"
    elif "WRONG_VERSION_NUMBER" in message or "record layer" in message:
        hint = "the server seems to use plain HTTP: write http://"
    return DashboardsUnreachableError(f"{where} cannot be reached: {message[:_LONGEST]}", hint=hint)


def _refused(where: str, reply: urllib3.BaseHTTPResponse) -> DashboardsRefusedError:
    """The error for a reply other than 200."""
    status, reason = reply.status, _reason(reply)
    if missing := _missing(reply):
        return DashboardsRefusedError(
            f"{where} does not have {missing}",
            hint="see what is there with --all, or under Saved objects",
        )
    if status in (301, 302, 303, 307, 308):
        return DashboardsRefusedError(
            f"{where} redirects to {redact_url(reply.headers.get('location', '/'))}",
            hint=_CHECK + ", or it requires a login: dashboards.username and password",
        )
    if status == 401:
        return DashboardsRefusedError(
            f"{where} refused the login: wrong or missing user and password, or API key",
            hint="check dashboards.username and TRAILHOUND_DASHBOARDS__PASSWORD, or "
            "TRAILHOUND_DASHBOARDS__API_KEY",
        )
    if status == 403 and _object_of(reply):
        return DashboardsRefusedError(
            f"{where} does not let this user do that: {reason}",
            hint="the user needs to write to the tenant or workspace: see dashboards.tenant and "
            "dashboards.workspace",
        )
    if not _object_of(reply) and status < 500 and status != 413:
        return _not_dashboards(where, reply)
    if status == 404:
        return DashboardsRefusedError(
            f"{where} does not have this tenant, workspace or path: {reason}", hint=_CHECK
        )
    if status == 413:
        return DashboardsRefusedError(
            f"{where} rejects the file as too large",
            hint="import one dashboard at a time, or raise savedObjects.maxImportPayloadBytes",
        )
    if reason == _NO_REASON and status not in _DOWN:
        # Dashboards and Kibana give one: this is a cluster, or any web server.
        return _not_dashboards(where, reply)
    return DashboardsRefusedError(
        f"{where} refused: {reason} (status {status})", hint="see its log for the cause"
    )


def _not_dashboards(where: str, reply: urllib3.BaseHTTPResponse) -> DashboardsRefusedError:
    kind = str(reply.headers.get("content-type") or "no content type").partition(";")[0]
    place = where.partition(" at ")[2]
    return DashboardsRefusedError(
        f"what answers at {place} is not OpenSearch Dashboards or Kibana "
        f"(status {reply.status}, {kind[:_LONGEST]})",
        hint=_CHECK,
    )


def _object_of(reply: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    """The reply's JSON object; empty if it is not one."""
    try:
        found = json.loads(reply.data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _missing(reply: urllib3.BaseHTTPResponse) -> str:
    """The objects that a refused export names as missing."""
    attributes = _object_of(reply).get("attributes")
    objects = attributes.get("objects") if isinstance(attributes, dict) else None
    if not isinstance(objects, list):
        return ""
    named = [each for each in objects if isinstance(each, dict)]
    return ", ".join(f"{each.get('type')} {each.get('id')}" for each in named)


def _reason(reply: urllib3.BaseHTTPResponse) -> str:
    """The error message of Dashboards. A page of a proxy or another server is not repeated."""
    message = str(_object_of(reply).get("message") or "")
    text = reply.data[: 10 * _LONGEST].decode(errors="replace")
    if not message and not _object_of(reply) and "<" not in text:
        message = text  # such as "OpenSearch Dashboards server is not ready yet"
    return " ".join(message.split())[:_LONGEST] or _NO_REASON
