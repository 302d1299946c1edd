"""Reports and dashboards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, SecretStr

from trailhound.settings.section import Section, pattern_field

_LOGIN: Final = re.compile(r"^(https?://)[^/?#]*@")


class MailSettings(Section):
    """The scheduled report. Nothing is sent while `to` is empty."""

    to: list[str] = []
    sender: str | None = None
    every: Literal["daily", "weekly"] = "daily"
    """`weekly`: on Mondays."""
    hour: Annotated[int, Field(ge=0, le=23)] = 6
    """Hour of the day, in UTC. The report covers the whole days before."""
    compliance: list[Literal["cis", "pci", "soc2", "nist"]] = []
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    ca_bundle: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    timeout: Annotated[float, Field(gt=0)] = 30.0


class ReportSettings(Section):
    """The report."""

    browser: Path | None = None
    """Chromium, to print PDF with. Default: the first that is found."""
    mail: MailSettings = Field(default_factory=MailSettings.model_construct)


class DashboardsSettings(Section):
    """Access to OpenSearch Dashboards or Kibana: for import and export, and for links in alerts."""

    LOCAL: ClassVar[str] = "http://127.0.0.1:5601"

    url: Annotated[
        str | None,
        pattern_field(
            "^https?://", "write the address with http:// or https:// before it", repr=False
        ),
    ] = None
    """As a browser opens it, with its base path if it has one. Where it is set, alerts link to
    their events; the commands try `LOCAL` without it."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    api_key: SecretStr | None = None
    """For Kibana: an API key of Elasticsearch, encoded (`encoded` in the reply that created it).
    It has precedence over `username`."""
    api_key_file: Path | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify_certs: bool = True
    tenant: str | None = None
    """Tenant of the security plugin: a name, `global` or `private`."""
    workspace: str | None = None
    """The workspace: the id after `/w/` in the address."""
    timeout: Annotated[float, Field(gt=0)] = 60.0

    @property
    def address(self) -> str:
        """The address that the commands use."""
        return self.url or self.LOCAL

    @property
    def link_base(self) -> str:
        """The beginning of links in alerts, messages and pages; empty if `url` is not set. A login
        in the address is removed, since it is not for their readers."""
        return _LOGIN.sub(r"\1", self.url or "")
