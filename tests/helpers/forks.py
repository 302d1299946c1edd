"""Processes of Trailhound without the start of an interpreter.

A command's imports take most of a second, and the tests run hundreds of commands. A process that
has everything imported forks one for each: it has its own memory, environment, working directory,
standard streams, signals and exit code, as any other.

`python -m tests.helpers.forks SOCKET` is that process; it ends when its standard input does. The
workers of a test session share one, which ends with the session (tests/helpers/session.py).
"""

from __future__ import annotations

import atexit
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

from detections.packs.loading import load
from ingest.sources.session import aws_session
from tests.helpers import session
from trailhound.cli.commands import COMMANDS, loaded
from trailhound.cli.main import app
from trailhound.settings import AwsSettings, DetectionSettings, Settings
from trailhound.settings.section import Section

CHECKOUT = Path(__file__).parents[2]
_LENGTH = struct.Struct("!I")
PACKAGES = ("trailhound.cli", "trailhound.app", "ingest", "detections", "dashboards")
IMPORTED_LATER = (
    *("trailhound.settings.nested_environment", "typer._click.decorators", "typer._adapters"),
    *("typer.rich_utils", "rich.markdown", "rich.columns", "_strptime"),
)
"""What most commands import at work rather than at their start: each would do it anew."""


def can_run(env: Iterable[str]) -> bool:
    """Whether a forked process takes these variables: others may concern the interpreter, the C
    library or the loader, which read them at their own start."""
    return hasattr(socket, "send_fds") and all(
        name.startswith(("TRAILHOUND_", "AWS_")) for name in env
    )


class Forked(subprocess.Popen[bytes]):
    """`trailhound` with these arguments and exactly this environment, in a folder; used as any
    `Popen`.

    Its standard output and error are pipes, or the two files of `output`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: Mapping[str, str],
        *,
        stdin: int | None = None,
        output: tuple[int, int] | None = None,
        cwd: Path = CHECKOUT,
    ) -> None:
        # What `Popen` itself sets; it is not called, for it would start an interpreter.
        self.args = ["trailhound", *arguments]
        self.stdin = self.stdout = self.stderr = None
        self.returncode: int | None = None
        self.text_mode = self.encoding = self.errors = self._input = None
        self._child_created, self._communication_started = True, False
        self._ended = socket.socket(socket.AF_UNIX)
        self._ended.connect(_server())
        request = json.dumps([list(arguments), dict(env), str(cwd)]).encode()
        with ExitStack() as ours:
            if stdin is None:
                stdin = os.open(os.devnull, os.O_RDONLY)
                ours.callback(os.close, stdin)
            files = [stdin, *(output or ())]
            if output is None:
                for name in ("stdout", "stderr"):
                    read, write = os.pipe()
                    setattr(self, name, os.fdopen(read, "rb"))
                    ours.callback(os.close, write)
                    files.append(write)
            socket.send_fds(self._ended, [_LENGTH.pack(len(request))], files)
            self._ended.sendall(request)
            self.pid = _number(self._ended)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], 0)[0]:
            self.returncode = _number(self._ended)
            self._ended.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            select.select([self._ended], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _internal_poll(self, *_: object, **__: object) -> int | None:
        return self.poll()


def run(
    arguments: Sequence[str],
    env: Mapping[str, str],
    stdin: bytes,
    timeout: float,
    *,
    cwd: Path = CHECKOUT,
) -> subprocess.CompletedProcess[bytes]:
    """A command, to its end. Raises `TimeoutExpired`; the command is killed then."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = Forked(arguments, env, stdin=given.fileno(), cwd=cwd)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.wait(), out, err)


@cache
def _server() -> str:
    """The socket of the session's server, or of this process's own; it is started once."""
    shared = session.folder()
    if shared is None:
        address = Path(tempfile.mkdtemp(prefix="forks-")) / "socket"
        process, input_ = _start(address)
        atexit.register(process.wait)
        atexit.register(os.close, input_)  # before that
        return str(address)
    address = shared / "forks" / "socket"
    with (shared / "forks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not address.exists():
            address.parent.mkdir()
            _start(address, for_session=True)
    return str(address)


def _start(address: Path, *, for_session: bool = False) -> tuple[subprocess.Popen[bytes], int]:
    """The process, once it listens, and the end of its standard input that is written to. That of
    the session has it itself, so that none of the workers ends it."""
    theirs, ours = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.forks", address],
        cwd=CHECKOUT,
        stdin=theirs,
        stdout=subprocess.PIPE,
        pass_fds=[ours] if for_session else [],
    )
    os.close(theirs)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    if for_session:
        os.close(ours)
        _OF_SESSION.append(process)
    return process, ours


_OF_SESSION: list[subprocess.Popen[bytes]] = []
"""Never waited for, and so kept: without a reference Python would warn of it."""


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise ConnectionError("the other side is gone")
        found += part
    return found


def _number(connection: socket.socket) -> int:
    return int(struct.unpack("!i", _read(connection, 4))[0])


# The server.


def _serve(address: str) -> None:
    for package in PACKAGES:
        module = importlib.import_module(package)
        for each in pkgutil.walk_packages(module.__path__, f"{package}."):
            importlib.import_module(each.name)
    for name in IMPORTED_LATER:
        importlib.import_module(name)
    # What most commands need, made once for all of them: the shipped pack, their options, what
    # checks each section of settings, what botocore reads of each service.
    load(DetectionSettings())
    for name in COMMANDS:
        loaded(name, app.rich_markup_mode)
    for field in Settings.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            field.annotation.model_validate({})
    aws = aws_session(AwsSettings(region="us-east-1"))
    aws.set_credentials("none", "none")
    for service in ("s3", "sqs", "sts", "sns", "cloudtrail"):
        aws.create_client(service)
    gc.freeze()  # what no fork looks through for garbage stays common memory
    assert threading.active_count() == 1, "a fork would leave locks of other threads held"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        _fork_what_is_asked_for(listener)
    Path(address).unlink()
    Path(address).parent.rmdir()


def _fork_what_is_asked_for(listener: socket.socket) -> None:
    """Fork commands, send their pids, and, when one has ended, its exit code (negative: its
    signal); until standard input ends."""
    waiting: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    for each in (woken, wakes):
        each.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        readable, _, _ = select.select([listener.fileno(), woken.fileno(), 0], [], [])
        if woken.fileno() in readable:
            woken.recv(4096)
            for pid, status in _ended():
                _tell(waiting.pop(pid), os.waitstatus_to_exitcode(status))
        if 0 in readable:
            return
        if listener.fileno() not in readable:
            continue
        connection, _ = listener.accept()
        try:
            arguments, env, folder, files = _asked(connection)
        except ConnectionError:
            connection.close()
            continue
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (listener, woken, wakes, connection, *waiting.values()):
                each.close()
            _become(arguments, env, files, folder)
        for file in files:
            os.close(file)
        waiting[pid] = connection
        with suppress(ConnectionError):
            connection.sendall(struct.pack("!i", pid))


def _asked(connection: socket.socket) -> tuple[list[str], dict[str, str], str, list[int]]:
    """Arguments, environment, folder and standard streams of a command."""
    size, files, _, _ = socket.recv_fds(connection, _LENGTH.size, 3)
    if len(size) < _LENGTH.size:
        raise ConnectionError("the other side is gone")
    arguments, env, folder = json.loads(_read(connection, _LENGTH.unpack(size)[0]))
    return arguments, env, folder, list(files)


def _ended() -> Iterator[tuple[int, int]]:
    """Pid and status of each command that has ended since."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            yield found


def _tell(connection: socket.socket, code: int) -> None:
    with connection, suppress(ConnectionError):
        connection.sendall(struct.pack("!i", code))


def _become(arguments: list[str], env: dict[str, str], files: list[int], folder: str) -> None:
    """The command, to the end of this process."""
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        # Anew: the server's own have seen whether its files can be sought in.
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.environ.clear()
        os.environ.update(env)
        os.chdir(folder)
        random.seed()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["trailhound", *arguments]
        from trailhound.cli.main import run as trailhound

        trailhound()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
