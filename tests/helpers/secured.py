"""A secured OpenSearch for the tests: the real security plugin, TLS, users and roles.

The certificates are made when it starts and live as long as the session.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import http.client
import ipaddress
import json
import re
import shutil
import ssl
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.helpers import session
from tests.helpers.engines import HEAP_MB, START_SECONDS, started
from trailhound.engine import artifacts, machine, node
from trailhound.engine.local_engine import LocalEngine
from trailhound.settings import ClusterSettings, Settings

LOCKS = Path(__file__).parent / "locks"
PLUGIN = "org.opensearch.security.OpenSearchSecurityPlugin"

LOGINS = {
    "_meta": {"type": "config", "config_version": 2},
    "config": {
        "dynamic": {
            "authc": {
                "password": {
                    "http_enabled": True,
                    "order": 1,
                    "http_authenticator": {"type": "basic", "challenge": True},
                    "authentication_backend": {"type": "internal"},
                },
                "certificate": {
                    "http_enabled": True,
                    "order": 0,
                    "http_authenticator": {
                        "type": "clientcert",
                        "challenge": False,
                        "config": {"username_attribute": "cn"},
                    },
                    "authentication_backend": {"type": "noop"},
                },
            }
        }
    },
}
NO_USERS = {"_meta": {"type": "internalusers", "config_version": 2}}
NO_ROLES = {"_meta": {"type": "rolesmapping", "config_version": 2}}
"""The plugin's default gives every user a role of their own, which allows bulk and scroll."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority that keeps its files in `folder`."""

    folder: Path

    @property
    def bundle(self) -> Path:
        """Its own certificate, for who is to trust it."""
        return self.folder / "ca.pem"

    def issued(self, name: str) -> Certificate:
        """Where the certificate for `CN=name` is."""
        return Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def issue(self, name: str) -> Certificate:
        """A certificate for `CN=name`: of a node on the loopback address, or of a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self.issued(name)
        signed = self._builder(name, key.public_key()).sign(self._key, hashes.SHA256())
        made.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        made.key.write_bytes(_pem(key))
        return made

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        file = self.folder / "ca.key"
        if file.exists():  # another worker has made it
            kept = serialization.load_pem_private_key(file.read_bytes(), None)
            assert isinstance(kept, ec.EllipticCurvePrivateKey)
            return kept
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder("ca", key.public_key(), authority=True)
        pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        self.bundle.write_bytes(pem)
        file.write_bytes(_pem(key))
        return key

    def _builder(
        self, name: str, key: ec.EllipticCurvePublicKey, *, authority: bool = False
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        loopback = ipaddress.ip_address(machine.LOOPBACK)
        return (
            x509.CertificateBuilder()
            .subject_name(_common_name(name))
            .issuer_name(_common_name("ca"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(loopback)]),
                critical=False,
            )
            .add_extension(
                x509.ExtendedKeyUsage(
                    [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
                ),
                critical=False,
            )
        )


@dataclass(frozen=True)
class SecuredEngine:
    """A running secured engine, and what an administrator does to it."""

    port: int
    authority: Authority
    administrator: Certificate

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://{machine.LOOPBACK}:{self.port}"

    def administer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A request with the administrator's certificate; `AssertionError` where it fails.

        Another worker may change the plugin's one document at the same time: sent again then.
        """
        deadline = time.monotonic() + START_SECONDS
        status, reply = self.ask(method, path, body)
        while status == 409 and time.monotonic() < deadline:
            time.sleep(0.1)
            status, reply = self.ask(method, path, body)
        assert status < 300, (status, reply)
        return reply

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Status and JSON of the reply to a request with the administrator's certificate."""
        context = _context(self.authority, self.administrator)
        connection = http.client.HTTPSConnection(
            machine.LOOPBACK, self.port, context=context, timeout=START_SECONDS
        )
        try:
            connection.request(
                method,
                path,
                json.dumps(body) if body is not None else None,
                {"content-type": "application/json"},
            )
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()

    def create_user(self, name: str, password: str) -> None:
        """An internal user without any role."""
        path = f"/_plugins/_security/api/internalusers/{name}"
        self.administer("PUT", path, {"password": password})

    def create_role(self, name: str, role: Mapping[str, Any], users: list[str]) -> None:
        """A role, and who has it."""
        self.change_role(name, role)
        self.administer("PUT", f"/_plugins/_security/api/rolesmapping/{name}", {"users": users})

    def change_role(self, name: str, role: Mapping[str, Any]) -> None:
        """Put another role in place of one of this name."""
        self.administer("PUT", f"/_plugins/_security/api/roles/{name}", role)

    def settings(self, namespace: str = "", **cluster: Any) -> Settings:
        """Settings that reach it over TLS; `cluster` holds the login."""
        named = {"hosts": [self.url], "ca_bundle": self.authority.bundle, **cluster}
        return Settings(namespace=namespace, cluster=ClusterSettings.model_validate(named))


@cache
def _context(authority: Authority, own: Certificate) -> ssl.SSLContext:
    """To trust this authority and show one's own certificate; made once, for it is asked for at
    every look whether the engine is there."""
    context = ssl.create_default_context(cafile=str(authority.bundle))
    context.load_cert_chain(own.certificate, own.key)
    return context


@contextmanager
def session_secured_engine() -> Iterator[SecuredEngine]:
    """The session's secured engine, which all workers share; it ends with the session."""
    shared = session.folder()
    if shared is None:
        raise RuntimeError("a secured engine is started within a pytest session only")
    folder = shared / "secured"
    address = folder / "port"
    with ExitStack() as ours:
        with (shared / "secured.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            authority = Authority(folder)
            if not address.exists():
                folder.mkdir()
                authority.issue("node")
                authority.issue("admin")
                plugin = _unpack_plugin(folder)
                engine = ours.enter_context(
                    started(lambda port: _engine(folder, plugin, _secured(port, authority)))
                )
                address.write_text(str(engine.port))
        yield _secured(int(address.read_text()), authority)


def _secured(port: int, authority: Authority) -> SecuredEngine:
    return SecuredEngine(port, authority, authority.issued("admin"))


def _engine(folder: Path, plugin: Path, secured: SecuredEngine) -> LocalEngine:
    """The node, with the plugin on its class path."""
    lock = LOCKS / "opensearch-3.4.0.lock"
    brought = {_artifact(jar.path) for jar in artifacts.read_lock(lock)}
    return LocalEngine(
        folder / "engine",
        secured.port,
        version="3.4.0",
        lock=lock,
        heap_mb=HEAP_MB,
        start_timeout=START_SECONDS,
        plugins=(PLUGIN,),
        plugin_jars=tuple(
            jar for jar in sorted(plugin.glob("*.jar")) if _artifact(jar) not in brought
        ),
        settings=_security_settings(),
        prepare=lambda config: _configure(config, plugin, folder),
        health=lambda: _health(secured),
    )


def _unpack_plugin(folder: Path) -> Path:
    """Fetch the plugin's zip and unpack it."""
    (jar,) = artifacts.read_lock(LOCKS / "opensearch-security-3.4.0.lock")
    (archive,) = artifacts.fetch([jar], folder / "repository")
    plugin = folder / "plugin"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(plugin)
    return plugin


def _artifact(jar: Path) -> str:
    """A jar's name without its version."""
    return re.sub(r"-\d.*$", "", jar.name)


def _security_settings() -> dict[str, Any]:
    """The lines of `opensearch.yml` that switch TLS and the plugin on."""
    tls = {
        f"plugins.security.ssl.{layer}.{name}_filepath": file
        for layer in ("http", "transport")
        for name, file in (
            ("pemcert", "node.pem"),
            ("pemkey", "node.key"),
            ("pemtrustedcas", "ca.pem"),
        )
    }
    return {
        **tls,
        "plugins.security.ssl.http.enabled": True,
        "plugins.security.ssl.http.clientauth_mode": "OPTIONAL",
        "plugins.security.ssl.transport.enforce_hostname_verification": False,
        "plugins.security.authcz.admin_dn": ["CN=admin"],
        "plugins.security.nodes_dn": ["CN=node"],
        "plugins.security.allow_default_init_securityindex": True,
        # A hash is made to be slow, and each change of a role has all passwords checked again.
        "plugins.security.password.hashing.bcrypt.rounds": 4,
    }


def _configure(config: Path, plugin: Path, certificates: Path) -> None:
    """Certificates and the plugin's first configuration: its defaults, our logins, nobody in it."""
    for name in ("ca.pem", "node.pem", "node.key"):
        shutil.copy(certificates / name, config / name)
    security = config / "opensearch-security"
    shutil.copytree(plugin / "config", security, dirs_exist_ok=True)
    (security / "config.yml").write_text(yaml.safe_dump(LOGINS))
    (security / "internal_users.yml").write_text(yaml.safe_dump(NO_USERS))
    (security / "roles_mapping.yml").write_text(yaml.safe_dump(NO_ROLES))


def _health(secured: SecuredEngine) -> Mapping[str, Any] | None:
    """Cluster health, once the plugin has read its configuration too."""
    try:
        _, plugin = secured.ask("GET", "/_plugins/_security/health")
        if plugin["status"] != "UP":
            time.sleep(0.5)  # each look is a handshake, by a program that is not compiled yet
            return None
        status, health = secured.ask("GET", "/_cluster/health")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return health if status == 200 and health["cluster_name"] == node.CLUSTER_NAME else None


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
