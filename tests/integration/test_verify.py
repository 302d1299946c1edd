"""`trailhound verify` on a bucket (moto) and on a copy of it in a folder, by the command line."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.helpers.digests import (
    BEGIN,
    HOUR,
    DigestedTrail,
    Made,
    cloudtrail_api,
    listed_keys,
    public_der,
)
from tests.helpers.schemas import require_listing
from trailhound.cli.main import app
from trailhound.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UNTIL = ("--until", "2025-03-05")


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with cloudtrail_api(listed_keys(public_der(), public_der(1, wrapped=True))) as address:
        yield address


@pytest.fixture
def verify(
    s3_endpoint: str, api: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Run the command on a trail in a bucket of its own: exit code, and the JSON."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", api)
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))

    def run(source: str, *more: str) -> tuple[int, dict[str, Any]]:
        found = CliRunner().invoke(app, ["verify", source, "--json", *more])
        said = json.loads(found.stdout)
        require_listing(said, "verify")
        return found.exit_code, said

    return run


@pytest.fixture
def made(bucket: str) -> DigestedTrail:
    """Six hours, the second without a file, and a file that the next digest will list."""
    trail = DigestedTrail(bucket, prefix="logs/")
    for files in (2, 0, 1, 2, 1, 1):
        trail.hour(files)
    trail.file(trail.at + timedelta(minutes=10), 7)
    return trail


def by_kind(found: dict[str, Any]) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for each in found["findings"]:
        kinds.setdefault(each["kind"], []).append(each["object"])
    return {kind: sorted(objects) for kind, objects in kinds.items()}


def test_a_whole_trail_is_valid(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, found["findings"]) == (0, [])
    assert found["digests"]["valid"] == 6
    assert found["digests"]["empty"] == 1
    assert (found["files"]["valid"], found["files"]["pending"]) == (7, 1)
    assert (found["from"], found["to"]) == ("2025-03-01T22:00:00Z", "2025-03-02T04:00:00Z")
    # Two hours of it: the digest before them is not asked, the one after them names the last.
    code, found = verify(
        made.stored(s3), "--since", "2025-03-02T00:30:00Z", "--until", "2025-03-02T01:30:00Z"
    )
    assert (code, found["digests"]["valid"]) == (0, 3)
    # The newest digest is long ago.
    code, found = verify(made.stored(s3))
    assert (code, [*by_kind(found)]) == (1, ["stale"])


def changed(made: DigestedTrail, key: str, content: bytes | None = None) -> None:
    made.objects[key].body = gzip.compress(
        gzip.decompress(made.objects[key].body) + b" " if content is None else content
    )


def alter_file(made: DigestedTrail) -> tuple[str, str]:
    changed(made, made.files[2][0])
    return "invalid", made.files[2][0]


def append_records(made: DigestedTrail) -> tuple[str, str]:
    """A gzip stream more: readers that go on would take its records."""
    key = made.files[0][1]
    made.objects[key].body += gzip.compress(b'{"Records":[]}')
    return "invalid", key


def cut_file(made: DigestedTrail) -> tuple[str, str]:
    key = made.files[0][0]
    made.objects[key].body = made.objects[key].body[:-60]
    return "invalid", key


def delete_file(made: DigestedTrail) -> tuple[str, str]:
    del made.objects[made.files[4][0]]
    return "missing", made.files[4][0]


def add_file(made: DigestedTrail) -> tuple[str, str]:
    return "unlisted", made.file(BEGIN + 2 * HOUR + timedelta(minutes=20), 99)


def alter_digest(made: DigestedTrail) -> tuple[str, str]:
    changed(made, made.digests[1])
    return "invalid", made.digests[1]


def append_to_digest(made: DigestedTrail) -> tuple[str, str]:
    made.objects[made.digests[1]].body += b"\0"
    return "invalid", made.digests[1]


def delete_digest(made: DigestedTrail) -> tuple[str, str]:
    del made.objects[made.digests[1]]
    return "missing", made.digests[1]


def move_digest(made: DigestedTrail) -> tuple[str, str]:
    """Another hour's digest, genuine, in the place of one."""
    made.objects[made.digests[1]] = made.objects[made.digests[0]]
    return "invalid", made.digests[1]


def no_digest(made: DigestedTrail) -> tuple[str, str]:
    made.objects[made.digests[1]].body = gzip.compress(b"[]")
    return "invalid", made.digests[1]


DAMAGES = [
    alter_file,
    append_records,
    cut_file,
    delete_file,
    add_file,
    alter_digest,
    append_to_digest,
    delete_digest,
    move_digest,
    no_digest,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_damage_is_found_in_a_bucket_and_in_a_folder(
    verify: Callable[..., tuple[int, dict[str, Any]]],
    made: DigestedTrail,
    s3: S3Client,
    tmp_path: Path,
    damage: Callable[[DigestedTrail], tuple[str, str]],
) -> None:
    kind, key = damage(made)
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, by_kind(found)[kind]) == (1, [f"s3://{made.bucket}/{key}"])
    # A digest that is not valid vouches for nothing: its files are then in none.
    assert by_kind(found).keys() <= {kind, "unlisted"}
    folder = made.copied(tmp_path / "copy")
    code, found = verify(str(folder), *UNTIL)
    kinds = by_kind(found)
    # The digest before one that is lost has lost its signature with it.
    also = [made.digests[0]] if key == made.digests[1] else []
    wrong = {str(folder.resolve() / each) for each in (key, *also)}
    assert code == 1
    assert {each for kind in ("invalid", "missing") for each in kinds.get(kind, [])} == (
        wrong if kind != "unlisted" else set()
    )
    assert str(folder.resolve() / key) in kinds[kind]
    assert kinds["unsigned"] == [str(folder.resolve() / made.digests[-1])]


def test_what_nothing_signs_is_not_believed(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, tmp_path: Path
) -> None:
    """In a folder: digests written anew, of the same trail and of one that nobody has."""
    forged = DigestedTrail(made.bucket, prefix="logs/", key=2)
    for files in (1, 1):
        forged.hour(files)
    folder = forged.copied(tmp_path / "forged")
    code, found = verify(str(folder), *UNTIL)
    assert (code, found["digests"]["valid"], found["files"]["valid"]) == (1, 0, 0)
    ghost = DigestedTrail(made.bucket, prefix="logs/", trail="ghost", key=2)
    ghost.digest([ghost.file(BEGIN + HOUR + timedelta(minutes=5), 50)])
    for each in (made, ghost):
        each.copied(tmp_path / "copy")
    code, found = verify(str(tmp_path / "copy"), *UNTIL)
    assert code == 1
    assert {"missing", "unlisted"} <= by_kind(found).keys()


@pytest.mark.parametrize(
    "name",
    [
        "2025/03/01/evil.json.gz",
        "2025/03/01/111122223333_CloudTrail_eu-west-1_20259901T0000Z_abc.json.gz",
        "2025/03/111122223333_CloudTrail_eu-west-1_20250301T2310Z_abc.json.gz",
        "2025/03/01/111122223333_CloudTrail_eu-west-2_20250301T2310Z_abc.json.gz",
        "2099/03/01/111122223333_CloudTrail_eu-west-1_20990301T2310Z_abc.json.gz",
    ],
)
def test_a_file_under_another_name_is_unlisted(
    verify: Callable[..., tuple[int, dict[str, Any]]],
    made: DigestedTrail,
    s3: S3Client,
    name: str,
) -> None:
    key = f"{made.root}CloudTrail/eu-west-1/{name}"
    made.objects[key] = made.objects[made.files[0][0]]
    code, found = verify(made.stored(s3))
    assert (code, by_kind(found)["unlisted"]) == (1, [f"s3://{made.bucket}/{key}"])


def test_what_is_gone_at_an_end(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    """The last digests of a span, which a later one names; those of a trail before another."""
    for key in made.digests[2:4]:
        del made.objects[key]
    code, found = verify(made.stored(s3), "--until", "2025-03-02T00:30:00Z")
    assert (code, by_kind(found)["missing"]) == (1, [f"s3://{made.bucket}/{made.digests[3]}"])
    later = DigestedTrail(made.bucket, prefix="logs/", region="us-east-1", trail="new")
    earlier = DigestedTrail(made.bucket, prefix="logs/", region="us-east-1", trail="old")
    later.at += 9 * HOUR
    for trail in (earlier, later):
        trail.hour(1)
        trail.stored(s3)
    code, found = verify(f"s3://{made.bucket}", *UNTIL, "--region", "us-east-1")
    assert (code, [*by_kind(found)]) == (1, ["gap"])


def test_a_pipe_in_the_place_of_a_file_does_not_stop_it(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, tmp_path: Path
) -> None:
    folder = made.copied(tmp_path)
    for key in (made.files[0][0], made.digests[1]):
        (folder / key).unlink()
        os.mkfifo(folder / key)
    code, found = verify(str(folder), *UNTIL)
    assert code == 1
    assert str(folder.resolve() / made.digests[1]) in by_kind(found)["unreadable"]


def test_a_signature_of_somebody_else(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    made.key = 2  # which no region knows
    forged = made.hour(1)
    made.objects[made.digests[0]].metadata.clear()
    code, found = verify(made.stored(s3), *UNTIL)
    assert code == 1
    wrong = [f"s3://{made.bucket}/{key}" for key in (made.digests[0], forged)]
    assert by_kind(found)["invalid"] == sorted(wrong)


def test_keys_change_and_logging_pauses(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    made.objects.pop(made.file(made.at + timedelta(minutes=10), 7))  # not delivered after all
    made.key, made.wrapped = 1, True
    made.hour(1)
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, found["digests"]["valid"]) == (0, 7)
    made.at += 5 * HOUR
    begun = made.hour(1, restart=True)
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, found["digests"]["valid"]) == (1, 8)
    assert by_kind(found)["gap"] == [f"s3://{made.bucket}/{begun}"]


def test_what_no_digest_is_of(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    """Files from before the first digest are no fault; a region without any digest is one."""
    made.file(BEGIN - HOUR, 1)
    other = DigestedTrail(made.bucket, prefix="logs/", region="us-east-1")
    other.file(BEGIN, 1)
    other.stored(s3)
    code, found = verify(made.stored(s3), *UNTIL)
    kinds = by_kind(found)
    assert code == 1
    assert [*kinds] == ["earlier", "missing"]
    assert kinds["missing"] == [f"s3://{made.bucket}/{other.root}CloudTrail-Digest/us-east-1/"]
    code, found = verify(made.stored(s3), *UNTIL, "--region", "eu-west-1")
    assert (code, found["problems"]) == (0, [])
    code, found = verify(made.stored(s3), *UNTIL, "--region", "eu-west-1", "--region", "mars-1")
    (problem,) = found["problems"]
    assert (code, "no region mars-1 in what was given" in problem) == (1, True)
    nowhere = CliRunner().invoke(app, ["verify", made.stored(s3), "--account", "999999999999"])
    assert isinstance(nowhere.exception, UsageError)
    assert "no account 999999999999 in what was given" in nowhere.exception.message


def test_nothing_to_verify_is_no_success(
    bucket: str, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    for source in (f"s3://{bucket}", str(tmp_path)):
        found = CliRunner().invoke(app, ["verify", source])
        assert isinstance(found.exception, UsageError)
        assert found.exception.message.endswith("no digests and no trail files here")
        of_time = ["--since", "2024-01-01", "--until", "2024-01-31"]
        found = CliRunner().invoke(app, ["verify", source, *of_time])
        assert isinstance(found.exception, UsageError)
        assert "here that were delivered from 2024-01-01 to 2024-01-31" in found.exception.message


def oracle(made: DigestedTrail, endpoint: str, api: str) -> tuple[set[str], set[str]]:
    """What `aws cloudtrail validate-logs` calls valid, and what not: addresses."""
    arn = f"arn:aws:cloudtrail:{made.region}:{made.account}:trail/{made.trail}"
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "aws"),
            "cloudtrail",
            "validate-logs",
            "--verbose",
            "--region",
            made.region,
            "--trail-arn",
            arn,
            "--s3-bucket",
            made.bucket,
            "--s3-prefix",
            made.prefix.rstrip("/"),
            "--start-time",
            "2025-03-01T00:00:00Z",
            "--end-time",
            "2025-03-06T00:00:00Z",
        ],
        env=os.environ | {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ENDPOINT_URL_CLOUDTRAIL": api},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    valid: set[str] = set()
    invalid: set[str] = set()
    for line in (done.stdout + "\n" + done.stderr).splitlines():
        parts = line.split("\t")
        if len(parts) > 2:
            (valid if parts[2] == "valid" else invalid).add(parts[1])
    return valid, invalid


@hypothesis.settings(
    max_examples=20 if os.environ.get("TRAILHOUND_TEST_EXAMPLES") == "thorough" else 2,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],  # each takes seconds
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@hypothesis.given(
    hours=st.lists(st.integers(0, 2), min_size=4, max_size=12),
    damage=st.lists(st.tuples(st.integers(0, 11), st.sampled_from("cdmsxr")), max_size=5),
    data=st.data(),
)
def test_the_same_as_aws(
    hours: list[int],
    damage: list[tuple[int, str]],
    data: st.DataObject,
    verify: Callable[..., tuple[int, dict[str, Any]]],
    s3: S3Client,
    s3_endpoint: str,
    api: str,
) -> None:
    """On random chains with random damage both call the same objects valid and invalid."""
    made = DigestedTrail(f"trail-{uuid.uuid4().hex}", prefix="logs/")
    s3.create_bucket(Bucket=made.bucket)
    for files in hours:
        made.hour(files)
    keys = [*made.digests, *(key for each in made.files for key in each)]
    for _, how in damage:
        key = data.draw(st.sampled_from(keys))
        stored = made.objects.get(key)
        if stored is None:
            continue
        match how:
            case "c":
                changed(made, key, b"{}")
            case "d":
                del made.objects[key]
            case "m":
                made.objects[data.draw(st.sampled_from(keys))] = Made(stored.body, stored.metadata)
            case "s":
                stored.metadata = {**stored.metadata, "signature": "00" * 256}
            case "x":
                stored.body = stored.body[:-9]
            case "r":
                stored.body = b"not gzip"
    source = made.stored(s3)
    valid, invalid = oracle(made, s3_endpoint, api)
    _, found = verify(source, *UNTIL)
    kinds = by_kind(found)
    ours = {*kinds.get("invalid", ()), *kinds.get("missing", ())}
    folder = f"s3://{made.bucket}/{made.root}CloudTrail-Digest/{made.region}/"
    assert ours - {folder} == invalid
    assert found["digests"]["valid"] + found["files"]["valid"] == len(valid)


def test_a_digest_that_is_delivered_later_lists_its_files(
    verify: Callable[..., tuple[int, dict[str, Any]]], made: DigestedTrail, s3: S3Client
) -> None:
    """Its chain is its own, and a file that it lists alone is not unlisted."""
    made.at = BEGIN + HOUR
    late = made.file(made.at + timedelta(minutes=20), 9)
    made.digest([late], late=True)
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, found["findings"]) == (0, [])
    assert (found["digests"]["valid"], found["files"]["valid"]) == (7, 8)
    made.objects[late].body = gzip.compress(b"{}")
    code, found = verify(made.stored(s3), *UNTIL)
    assert (code, by_kind(found)) == (1, {"invalid": [f"s3://{made.bucket}/{late}"]})


@pytest.mark.parametrize("minutes", [0, 30, 60, 119, 120, 150, 359, 360])
def test_a_span_has_the_digests_and_files_of_its_hours(
    verify: Callable[..., tuple[int, dict[str, Any]]],
    made: DigestedTrail,
    s3: S3Client,
    minutes: int,
) -> None:
    """From any moment on, also over midnight, nothing is called gone, added or wrong."""
    since = BEGIN + timedelta(minutes=minutes)
    code, found = verify(made.stored(s3), "--since", f"{since:%Y-%m-%dT%H:%M:%SZ}", *UNTIL)
    assert (code, found["findings"]) == (0, [])
    kept = [
        files for number, files in enumerate(made.files) if BEGIN + (number + 1) * HOUR >= since
    ]
    assert found["digests"]["valid"] == len(kept)
    assert found["files"]["valid"] == sum(map(len, kept))
    assert found["files"]["pending"] == 1
