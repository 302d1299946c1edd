"""Every `trailhound …` line of the README and the docs is run, as it is written there.

All of them work in one namespace, on one trail in a bucket, a queue and folders that have the
names which the texts use. What a line leaves open (`ID`, `SOURCE…`) is filled in.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from tests.helpers import dashboards_api, forks
from tests.helpers.digests import (
    BEGIN,
    HOUR,
    DigestedTrail,
    cloudtrail_api,
    listed_keys,
    public_der,
)
from tests.helpers.engines import remove_namespace
from tests.helpers.postures import posture
from tests.helpers.processes import LONGEST, environment
from tests.helpers.trails import own_settings, record, trail_bytes
from trailhound.cli.exit_codes import exit_code
from trailhound.cli.main import app
from trailhound.errors import TrailhoundError
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```(?:sh|console|bash)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"(?<!`)`(trailhound [^`]+)`(?!`)")
ELSEWHERE = {
    "aws": "speaks to all of AWS's services: tests/integration/test_aws_setup.py",
    "up": "starts an engine of its own: tests/integration/test_engine.py",
    "down": "stops that engine: tests/integration/test_engine.py",
    "demo": "starts an engine of its own: `make demo`",
    "report --mail": "sends a mail: tests/integration/test_report_mail.py",
    "--install-completion": "writes to the home folder: tests/unit/cli/test_completion.py",
    "backfill lookup://eu-west-1,us-east-1 --dry-run": "asks CloudTrail: "
    "tests/integration/test_lookup.py",
    "hunt --log-group": "asks CloudWatch: tests/integration/test_hunt_logs.py",
    "incidents close ID --seen 12 --as true-positive --note the key is revoked": (
        "needs as many alerts as somebody saw: tests/integration/test_incidents.py"
    ),
    "ledger gone": "needs an object that was deleted: tests/integration/test_ledger_commands.py",
    "COMMAND": "stands for every command: tests/unit/cli/test_commands.py",
}
"""Commands that are not run here, and where they are tried instead."""
UNTIL_STOPPED = {"run"}
CODES = {
    "deadletters": {0, 1},
    "doctor": {0, 1},
    "notify": {0, 2},
    "rules": {0, 1},
    "reconcile": {0, 1},
    "graph": {0, 2},
    "paths": {0, 2},
    "sample": {0, 2},
    "timeline": {0, 2},
    "whois": {0, 2},
}
"""Exit codes that are right here: doctor may find a full disk; no channel is set; a budget; what
other lines have not read yet; names of the pages that are not in this sample; a folder that is not
empty any more, and a form that nobody filled in; no dead letter that matches."""


def documented() -> dict[str, str]:
    """Command line → the page that has it; each once."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text("utf-8")
        lines = [
            line
            for block in BLOCK.findall(text)
            for line in block.replace("\\\n", " ").splitlines()
        ]
        lines += map(mention, INLINE.findall(text))
        for line in lines:
            start = re.search(r"(?:^|[|&]\s*|--rm )trailhound ", line)
            if start is None:
                continue
            lexer = shlex.shlex(line[start.end() :], posix=True, punctuation_chars="&|>")
            lexer.whitespace_split = True
            words = list(lexer)
            end = next((n for n, word in enumerate(words) if set(word) <= set("&|>")), len(words))
            found.setdefault(shlex.join(["trailhound", *words[:end]]), page.name)
    return found


def mention(text: str) -> str:
    """A command within a sentence; one that is only named is asked for its help."""
    line = " ".join(text.split())
    return line if re.search(r"[-./…\[A-Z]", line) else f"{line} --help"


LINES = documented()


class Installation:
    """A namespace, a bucket, a queue and folders, named as the texts name them."""

    def __init__(self, folder: Path, settings: Settings, env: dict[str, str]) -> None:
        self.folder = folder
        self.settings = settings
        self.env = environment(settings, env)
        self.alert = ""
        self.event = ""
        self.entry = ""
        self.principal = ""

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return forks.Forked(arguments, self.env, cwd=self.folder)

    def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
        """Exit code, and all that was printed. Within this process: quicker than one for each."""
        if "-" in arguments:  # standard input is read below Python's own
            ended = forks.run(arguments, self.env, stdin, 120, cwd=self.folder)
            return ended.returncode, (ended.stdout + ended.stderr).decode()
        done = command_in(self.folder, self.env, arguments)
        if isinstance(done.exception, TrailhoundError):
            return exit_code(done.exception), f"{done.output}{done.exception}"
        return done.exit_code, f"{done.output}{done.exception or ''}"

    def must(self, *arguments: str) -> str:
        """What a command printed that must work."""
        code, said = self.run(*arguments)
        assert code == 0, said
        return said

    def filled(self, command: str, words: list[str]) -> list[str]:
        """What follows a command, with what it leaves open filled in."""
        values = {
            "ID": self.event if command == "event" else self.alert,
            "ID…": self.alert,
            "ENTRY": self.entry,
            "SOURCE": "s3://my-trail-bucket/AWSLogs/111122223333/",
            "SOURCE…": "./AWSLogs",
            "FILE…": "report.html" if command == "report" else "./AWSLogs",
            "DIR": "new",
            "[CHANNEL]": "",
            "NAME": self.principal,
            "SUBJECT": "ada",
            "[QUERY]": "DeleteTrail",
            "[COMMAND…]": "events",
            "[PATH…]": "my-rules",
        }
        made = [values.get(word, word) for word in words]
        return [word for word in made if word]


@pytest.fixture(scope="module")
def installation(
    engine: str, moto_endpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("documented")
    namespace = f"documented{uuid.uuid4().hex[:10]}"
    settings = own_settings(engine, namespace, folder / "home")
    login = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    s3: S3Client = boto3.client(
        "s3",
        endpoint_url=moto_endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    with (
        dashboards_api.serving() as dashboards,
        cloudtrail_api(listed_keys(public_der(0))) as cloudtrail,
    ):
        made = Installation(
            folder,
            settings,
            {
                **login,
                "TRAILHOUND_AWS__ENDPOINT_URL": moto_endpoint,
                "AWS_ENDPOINT_URL_CLOUDTRAIL": cloudtrail,
                "TRAILHOUND_DASHBOARDS__URL": dashboards.url,
                "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0",
                "BROWSER": "true",
            },
        )
        sample = ("sample", "trail", "--events", "1500", "--start", "2025-03-01", "--days", "2")
        made.must(*sample)
        made.must("init")
        shutil.move(folder / "trail" / "AWSLogs", folder / "AWSLogs")
        files = sorted((folder / "AWSLogs").rglob("*.json.gz"))
        (folder / "exports" / "old").mkdir(parents=True)
        shutil.copy(files[0], folder / "exports" / "old" / "a.json.gz")
        rules = folder / "my-rules"
        rules.mkdir()
        (rules / "own.yml").write_text(example_rule(), "utf-8")
        s3.create_bucket(Bucket="my-trail-bucket")
        name = "111122223333_CloudTrail_eu-west-1_20250301T1000Z_a1b2c3d4e5f6a7b8.json.gz"
        documented = f"AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/{name}"
        demos = {"type": "IAMUser", "accountId": "111122223333", "userName": "svc-gateway-0"}
        demos["arn"] = "arn:aws:iam::111122223333:user/svc-gateway-0"
        records = [record(), record(userIdentity=demos)]
        s3.put_object(Bucket="my-trail-bucket", Key=documented, Body=trail_bytes(records))
        for file in files:
            key = file.relative_to(folder).as_posix()
            s3.upload_file(str(file), "my-trail-bucket", key)
        digested(datetime.now(UTC) - 5 * HOUR).stored(s3)
        digested(BEGIN).copied(folder / "copy")
        (folder / "posture.json").write_text(json.dumps(posture().as_dict()))
        (folder / "keys.json").write_text(json.dumps(listed_keys(public_der(0))))
        sqs = boto3.client(
            "sqs",
            endpoint_url=moto_endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        sqs.create_queue(QueueName="trail-notifications")
        made.must("backfill", "AWSLogs")
        made.must("detect")
        alert = json.loads(made.must("alerts", "list", "--json"))["alerts"][0]
        made.alert, made.event = alert["id"], alert["evidence"]["event_id"][0]
        made.principal = alert["entity"]["principal"][0]
        role = ("--role", "arn:aws:iam::111122223333:role/deploy")
        trusted = (*role, "--call", "PutRule", "--network", "203.0.113.0/24")
        made.must("automation", "trust", *trusted)  # it warns that no event has such a role
        known = json.loads(made.must("automation", "list", "--json"))
        made.entry = known["entries"][0]["id"]
        made.must("dashboards", "import", "overview")
        made.must("dashboards", "export", "overview", "-o", "mine.ndjson")
        try:
            yield made
        finally:
            remove_namespace(engine, namespace)


def digested(begin: datetime) -> DigestedTrail:
    """Four hours of a trail with digests, until an hour or less after their end."""
    made = DigestedTrail("my-trail-bucket", at=begin.replace(minute=0, second=0, microsecond=0))
    for _ in range(4):
        made.hour()
    return made


def example_rule() -> str:
    """The rule that docs/rules.md shows."""
    text = (ROOT / "docs" / "rules.md").read_text("utf-8")
    return text.split("```yaml\n")[1].split("```")[0]


def command_in(folder: Path, env: dict[str, str], arguments: tuple[str, ...]) -> Result:
    """A command, run in a folder."""
    others: dict[str, str | None] = {name: None for name in os.environ if "TRAILHOUND" in name}
    with contextlib.chdir(folder):
        return CliRunner().invoke(app, arguments, env={**others, **env})


def test_there_are_lines_to_run() -> None:
    assert len(LINES) > 40


@pytest.mark.parametrize("line", LINES, ids=[f"{LINES[line]}: {line}" for line in LINES])
def test_a_documented_line_works(line: str, installation: Installation) -> None:
    _, command, *rest = shlex.split(line)
    if ELSEWHERE.keys() & {command, " ".join([command, *rest]), " ".join([command, *rest[:1]])}:
        return
    arguments = [command, *installation.filled(command, rest)]
    if command in UNTIL_STOPPED and "--help" not in arguments:
        runs_until_stopped(installation, arguments)
        return
    if any(word.endswith(".pdf") for word in arguments) and not shutil.which("chromium"):
        pytest.skip("no Chromium on this machine to print a PDF with")
    code, said = installation.run(*arguments, stdin=looked_up())
    assert "internal error" not in said, said
    assert "Traceback" not in said, said
    # Most regions of the sample have no digests.
    whole = ["verify", "s3://my-trail-bucket/AWSLogs/"]
    all_of_it = arguments in (whole, [*whole, "--record"])
    right = {0, 1} if all_of_it or "--verify" in arguments else CODES.get(command, {0})
    assert code in right, said


def runs_until_stopped(installation: Installation, arguments: list[str]) -> None:
    """The daemon starts, and ends well when it is asked to."""
    process = installation.start(*arguments)
    assert process.stderr is not None
    said = b""
    while line := process.stderr.readline():
        said += line
        if b"ready" in line or b"follow" in line or b"daemon" in line or b"started" in line:
            break
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, (said + rest).decode()


def looked_up() -> bytes:
    """What `aws cloudtrail lookup-events` prints."""
    event: dict[str, Any] = {
        "eventVersion": "1.09",
        "eventTime": "2025-03-02T10:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "ListUsers",
        "awsRegion": "us-east-1",
        "eventID": "0d1f7c1e-6a0e-4b5e-9a7e-1f0b8c5f7a11",
        "recipientAccountId": "111122223333",
    }
    return json.dumps({"Events": [{"CloudTrailEvent": json.dumps(event)}]}).encode()
