"""The cluster's client, made from settings: addresses, login, TLS, signature.

It sends a request once; the caller decides what to retry. If a node accepts no connection, nothing
was sent, and the next node is tried. The log of opensearch-py is off, since it has whole bodies.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec
from opensearchpy import JSONSerializer, OpenSearch, Transport, Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import OpenSearchException, TransportError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from trailhound import __version__
from trailhound.cluster.login import api_key, tls_context
from trailhound.errors import ClusterUnreachableError, SettingsError
from trailhound.settings import ClusterSettings, Settings
from trailhound.settings.secret import read_secret

_SERVERLESS = re.compile(r"(?:^|\.)aoss(?:-fips)?\.amazonaws\.com(?:\.cn)?\.?$", re.IGNORECASE)
_AWS_REGION = re.compile(r"\.([a-z]{2}(?:-[a-z]+)+-\d)\.es\.amazonaws\.com")

# botocore logs the request it signs, session token included, at DEBUG.
LOG = logging.getLogger("trailhound.requests")
logging.getLogger("botocore.auth").setLevel(logging.INFO)
# Where opensearch-py is imported in part (`trailhound.cli.partial_packages`), it does not do this.
logging.getLogger("opensearch").addHandler(logging.NullHandler())


ANSWER_SECONDS = 5
_PRODUCT_HEADER = "x-elastic-product"
"""A header of every reply of Elasticsearch since 7.14, and of none of OpenSearch."""


class Serializer(JSONSerializer):
    """Decodes replies in half the time: those to bulk requests and searches may have thousands of
    items.

    msgspec gives what Python's own decoder does, integers beyond 64 bits included, which records
    may have, and refuses the rest: NaN, numbers beyond a double's, lone surrogates.
    """

    def loads(self, s: str) -> Any:
        try:
            return msgspec.json.decode(s)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return super().loads(s)


class _Connection(Urllib3HttpConnection):
    """One node. Its errors carry the node's address as `url`, and as `product` the product that has
    answered there before, if any. Its log names requests (at `debug`) without their content.
    """

    product = ""

    def perform_request(self, *arguments: Any, **named: Any) -> Any:
        try:
            answer = super().perform_request(*arguments, **named)
        except TransportError as error:
            error.url = self.host  # type: ignore[attr-defined]
            error.product = self.product  # type: ignore[attr-defined]
            raise
        _, headers, _ = answer
        self.product = str(headers.get(_PRODUCT_HEADER) or "OpenSearch")
        return answer

    def log_request_success(
        self, method: str, _url: str, path: str, _body: Any, status: int, _: Any, seconds: float
    ) -> None:
        """Log method, path and time, but not the body, which may hold events, nor the address."""
        fields = {"status": status, "seconds": round(seconds, 3)}
        LOG.debug("%s %s", method, path, extra={"fields": fields})

    def log_request_fail(self, *arguments: Any, **named: Any) -> None:
        """Log nothing: the error is reported where it is caught."""


class _Transport(Transport):
    """All nodes. Each is tried once, until one accepts a connection."""

    def perform_request(self, *arguments: Any, **named: Any) -> Any:
        for left in reversed(range(len(self.hosts))):
            try:
                return super().perform_request(*arguments, **named)
            except NoConnection as error:
                if not left or not _never_sent(error):
                    raise
        raise AssertionError("a client has at least one node")


def _never_sent(error: NoConnection) -> bool:
    """Whether the request was not sent, for lack of a connection."""
    return isinstance(error.info, (NewConnectionError, ConnectTimeoutError))


_KEPT_OPEN: Final = 10
"""Connections to a node that are kept open: one for each thread that uses the client."""


def connect(settings: Settings, *, timeout: float | None = None) -> OpenSearch:
    """A client of the cluster of `settings`; makes no request yet.

    `timeout` (seconds) overrides `cluster.timeout`.
    Raises `SettingsError` for a login or a file that can't be used, and for OpenSearch Serverless.
    """
    cluster = settings.cluster
    addresses = [_address(host) for host in settings.hosts]
    refuse_serverless([each.hostname or "" for each in addresses], cluster.service)
    return OpenSearch(
        hosts=[_node(address) for address in addresses],
        connection_class=_Connection,
        transport_class=_Transport,
        serializer=Serializer(),
        headers=_headers(cluster, addresses),
        http_compress=cluster.compress,
        timeout=timeout or cluster.timeout,
        pool_maxsize=_KEPT_OPEN,
        max_retries=0,
        retry_on_timeout=False,
        retry_on_status=(),
        **_signature(settings, addresses),
        **_tls(cluster, addresses),
    )


def answers(client: OpenSearch) -> bool:
    """Whether the cluster is reachable. If so, a request without a reply failed by itself."""
    try:
        client.info(params={"request_timeout": ANSWER_SECONDS})
    except TransportError as error:
        return error.status_code in {401, 403}
    except OpenSearchException:
        return False
    return True


def raise_if_unreachable(client: OpenSearch, error: Exception) -> None:
    """Raise an error, caught around one request of many, if it means that the cluster does not
    answer at all: then the others would fail too."""
    if isinstance(error, ClusterUnreachableError) and not answers(client):
        raise error


def raw_request(client: OpenSearch, method: str, path: str, body: bytes) -> bytes:
    """The text of a reply, exactly as the cluster wrote it.

    The client's own decoding turns numbers into floats, and 1e400 into infinity, so that records
    could not be compared. Raises opensearch-py's exceptions.
    """
    headers = {"content-type": "application/json"}
    _, _, text = client.transport.get_connection().perform_request(
        method, path, None, body, headers=headers
    )
    return str(text).encode("utf-8", "surrogatepass")


def _fits(name: str | None) -> bool:
    """Whether a text can be the name of a host."""
    return bool(name) and not any(each.isspace() or not each.isprintable() for each in name or "")


def _address(host: str) -> SplitResult:
    """A host of the settings in its parts: `https://user:pass@name:port/prefix` or `name:port`."""
    try:
        address = urlsplit(host if "://" in host else f"http://{host}")
        fits = address.scheme in ("http", "https") and _fits(address.hostname) and address.port != 0
    except ValueError:
        fits = False
    if not fits:
        raise SettingsError(
            f"cluster.hosts: {_unless_secret(host)} is no address",
            hint="write it as https://host:port",
        )
    return address


def refuse_serverless(hosts: Iterable[str], service: str = "es") -> None:
    """Raise `SettingsError` for a collection of Amazon OpenSearch Serverless.

    No command works on one: time series and vector collections take no ids of documents, and there
    is no `_cluster`, `_nodes`, `_refresh` or index template simulation ("Supported OpenSearch API
    operations and permissions").
    """
    named = next((host for host in hosts if _SERVERLESS.search(host)), None)
    if named is None and service != "aoss":
        return
    what = "cluster.service is aoss" if named is None else f"{named} is a collection"
    raise SettingsError(
        f"{what}: Amazon OpenSearch Serverless is not supported: it lacks the cluster and index "
        "requests that Trailhound is built on, and does not let it choose an event's id",
        hint="use an Amazon OpenSearch Service domain (cluster.service: es) or your own cluster",
    )


def _unless_secret(host: str) -> str:
    """The host for a message; empty if it could be a password."""
    return "what is given" if "@" in host else repr(host)


def _node(address: SplitResult) -> dict[str, Any]:
    """The arguments of a node's connection, without its login, since `repr` shows them."""
    https = address.scheme == "https"
    return {
        "host": address.hostname,
        "port": address.port or (443 if https else 80),
        "use_ssl": https,
        "url_prefix": address.path.strip("/"),
    }


def _headers(cluster: ClusterSettings, addresses: list[SplitResult]) -> dict[str, str]:
    headers = {"user-agent": f"trailhound/{__version__}"}
    if cluster.auth in ("none", "sigv4"):
        return headers
    if (key := _api_key(cluster)) is not None:
        return {**headers, "authorization": f"ApiKey {key}"}
    username = cluster.username
    password = read_secret("cluster.password", cluster.password, cluster.password_file)
    for address in addresses:
        if username is None and address.username is not None:
            username, password = unquote(address.username), unquote(address.password or "")
    if cluster.auth is None and username is None:
        return headers
    if username is None or password is None:
        missing = "cluster.username" if username is None else "cluster.password"
        raise SettingsError(
            f"basic auth needs {missing}",
            hint="set TRAILHOUND_CLUSTER__USERNAME, and TRAILHOUND_CLUSTER__PASSWORD or "
            "cluster.password_file",
        )
    # Encoded here: urllib3 would encode a password as Latin-1.
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {**headers, "authorization": f"Basic {login}"}


def _api_key(cluster: ClusterSettings) -> str | None:
    """The encoded API key; None if the login is another.

    Raises `SettingsError` if a key is needed and missing, or if a header can't hold it.
    """
    if cluster.auth == "basic":
        return None
    key = api_key(cluster, "cluster")
    if key is None and cluster.auth == "api_key":
        raise SettingsError(
            "login by API key needs cluster.api_key",
            hint="set TRAILHOUND_CLUSTER__API_KEY or cluster.api_key_file",
        )
    return key


def _tls(cluster: ClusterSettings, addresses: list[SplitResult]) -> dict[str, Any]:
    if not any(each.scheme == "https" for each in addresses):
        return {}
    return {"ssl_context": tls_context(cluster, "cluster")}


def _signature(settings: Settings, addresses: list[SplitResult]) -> dict[str, Any]:
    """The signer of requests to a managed domain.

    It signs with `aws.profile` or the default chain. `aws.role_arn` is not assumed: that role
    is for reading the bucket, often of another account than the domain's.
    """
    if settings.cluster.auth != "sigv4":
        return {}
    # Imported here: it is slow, and few commands need it.
    import boto3
    from botocore.exceptions import BotoCoreError
    from opensearchpy import Urllib3AWSV4SignerAuth

    try:
        session = boto3.Session(profile_name=settings.aws.profile)
        credentials = session.get_credentials()
    except BotoCoreError as error:
        raise SettingsError(
            f"AWS credentials cannot be read: {error}",
            hint="check aws.profile and the AWS configuration file",
        ) from None
    of_host = _AWS_REGION.search(addresses[0].hostname or "")
    region = (
        settings.cluster.region
        or (of_host[1] if of_host else None)
        or settings.aws.region
        or session.region_name
    )
    if credentials is None or region is None:
        missing = "AWS credentials" if credentials is None else "cluster.region"
        raise SettingsError(
            f"cluster.auth is sigv4, which needs {missing}",
            hint="give AWS credentials (aws.profile, AWS_* variables, an instance role) and "
            "cluster.region",
        )
    return {"http_auth": Urllib3AWSV4SignerAuth(credentials, region, settings.cluster.service)}
