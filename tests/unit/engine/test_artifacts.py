"""Lock files of jars, and a fetch that neither trusts nor breaks what lies there."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.helpers.receiver import Receiver
from tests.helpers.secured import Authority
from trailhound.backoff import Backoff
from trailhound.engine import artifacts, local_engine
from trailhound.engine.artifacts import Jar
from trailhound.errors import ArtifactsUnavailableError

CONTENT = b"a jar" * 1000


@pytest.mark.parametrize(
    "lock", sorted(local_engine.LOCKS.glob("*.lock")), ids=lambda path: path.name
)
def test_lock_files_are_whole(lock: Path) -> None:
    jars = artifacts.read_lock(lock)
    assert len({jar.path for jar in jars}) == len(jars) > 90
    assert "".join(f"{jar}\n" for jar in jars) == lock.read_text()
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in jars)


@pytest.mark.parametrize(
    ("coordinate", "path"),
    [
        ("org.a:b:1", "org/a/b/1/b-1.jar"),
        ("org.a:b:1:linux-x86_64", "org/a/b/1/b-1-linux-x86_64.jar"),
        ("org.a:b:1::zip", "org/a/b/1/b-1.zip"),
    ],
)
def test_coordinates_are_paths(coordinate: str, path: str) -> None:
    jar = Jar.parse(f"{coordinate} 00 1")
    assert (jar.coordinate, jar.path) == (coordinate, Path(path))


def _jar(content: bytes = CONTENT) -> Jar:
    digest = hashlib.sha256(content).hexdigest()
    return Jar.parse(f"org.example:thing:1.0 {digest} {len(content)}")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a repository served over HTTP, which `jgo.conf` names as the one to use."""
    pytest.importorskip("jgo")
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    handler = partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        config = tmp_path / "jgo.conf"
        url = f"http://127.0.0.1:{server.server_port}"
        config.write_text(f"[repositories]\ncentral = {url}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        monkeypatch.setenv("M2_REPO", str(tmp_path / "repository"))
        monkeypatch.setattr(artifacts, "BACKOFF", Backoff(0.0, 0.0))
        yield folder
        server.shutdown()


def _serve(mirror: Path, content: bytes) -> None:
    place = mirror / _jar().path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def test_fetches_once_and_tells_how_far_it_is(mirror: Path, tmp_path: Path) -> None:
    _serve(mirror, CONTENT)
    heard: list[tuple[int, int]] = []
    (path,) = artifacts.fetch([_jar()], tmp_path, lambda done, total: heard.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert heard[0] == (0, len(CONTENT))
    assert heard[-1] == (len(CONTENT), len(CONTENT))
    (mirror / _jar().path).unlink()
    assert artifacts.fetch([_jar()], tmp_path) == [path]
    assert not list((tmp_path / "repository").glob(".trailhound-*"))


def test_half_a_jar_is_fetched_again(mirror: Path, tmp_path: Path) -> None:
    _serve(mirror, CONTENT)
    broken = tmp_path / "repository" / _jar().path
    broken.parent.mkdir(parents=True)
    broken.write_bytes(CONTENT[:100])
    assert artifacts.fetch([_jar()], tmp_path) == [broken]
    assert broken.read_bytes() == CONTENT


def test_a_forged_jar_is_refused(mirror: Path, tmp_path: Path) -> None:
    _serve(mirror, CONTENT[:-1] + b"!")
    with pytest.raises(ArtifactsUnavailableError, match=r"org\.example:thing:1\.0: .*SHA-256"):
        artifacts.fetch([_jar()], tmp_path)
    assert not list((tmp_path / "repository").rglob("*.jar"))


def test_a_repository_without_it_is_named_with_what_to_do(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactsUnavailableError, match=r"cannot fetch org\.example:thing"
    ) as caught:
        artifacts.fetch([_jar()], tmp_path)
    assert "--url" in caught.value.hint


def test_a_certificate_that_nothing_trusts_is_named_with_the_variables_of_its_ca(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve(mirror, CONTENT)
    with Receiver(tls=Authority(tmp_path).issue("proxy")) as inspecting:
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\ncentral = https://127.0.0.1:{inspecting.port}\n")
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        with pytest.raises(
            ArtifactsUnavailableError, match=r"SSLError: .*certificate verify failed"
        ) as caught:
            artifacts.fetch([_jar()], tmp_path)
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        assert variable in caught.value.hint


def test_an_unwritable_repository_gives_way(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _serve(mirror, CONTENT)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("M2_REPO", str(tmp_path / "file"))
    (path,) = artifacts.fetch([_jar()], tmp_path / "spare")
    assert path.is_relative_to(tmp_path / "spare")
