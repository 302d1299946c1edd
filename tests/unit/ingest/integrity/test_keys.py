"""Public keys, and the signature that they verify."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.integrity.digest import chain_of, file_of
from ingest.integrity.keys import PublicKeys
from tests.helpers.digests import fingerprint, listed_keys, public_der, signing_key
from trailhound.errors import UsageError

TEXT = b"2025-03-01T23:00:00Z\nbucket/key\n00\nnull"


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_signature_is_verified_by_a_key_in_either_form(tmp_path: Path, wrapped: bool) -> None:
    der = public_der(wrapped=wrapped)
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(listed_keys(der)))
    keys = PublicKeys.of_file(path)
    signature = signing_key(0).sign(TEXT, padding.PKCS1v15(), SHA256()).hex()
    assert keys.signs(fingerprint(der), signature, TEXT)
    assert not keys.signs(fingerprint(der), signature, TEXT + b" ")
    assert not keys.signs(fingerprint(der), signature[:-2], TEXT)
    assert not keys.signs(fingerprint(der), "no hexadecimal", TEXT)


def test_a_key_that_is_not_what_it_says_is_left_out(tmp_path: Path) -> None:
    listed = listed_keys(public_der())
    listed["PublicKeyList"][0]["Fingerprint"] = "0" * 32
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(listed))
    with pytest.raises(UsageError, match="no usable public key"):
        PublicKeys.of_file(path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"PublicKeyList": 1}', '{"publicKeyList": []}']
)
def test_a_file_without_keys_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(UsageError, match="public key"):
        PublicKeys.of_file(path)


def test_the_pages_of_a_region_are_read() -> None:
    class Api:
        def list_public_keys(self, **wanted: Any) -> dict[str, Any]:
            assert wanted["StartTime"] < datetime(2025, 3, 1, tzinfo=UTC) < wanted["EndTime"]
            number = int(wanted.get("NextToken", "0"))
            page = {"PublicKeyList": [{"Value": public_der(number), "Fingerprint": ""}]}
            return page | ({"NextToken": "1"} if not number else {})

    keys = PublicKeys()
    keys.ask(Api(), datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC))
    assert all(fingerprint(public_der(number)) in keys for number in range(2))


def test_keys_and_signatures_of_aws(shared_data: Path) -> None:
    """The two genuine signatures of AWS's user guide, over the hashes that are known of them."""
    folder = shared_data / "digests"
    keys = PublicKeys.of_file(folder / "awsdocs_public_keys.json")
    named = ("8eba5db5bea9b640d1c96a77256fe7f2", "8933b39ddc64d26d8e14ffbf6566fee4")
    assert all(each in keys for each in (*named, "31e8b5433410dfb61a9dc45cc65b22ff"))
    signatures = json.loads((folder / "awsdocs_signatures.json").read_bytes())
    key = keys._keys["31e8b5433410dfb61a9dc45cc65b22ff"]
    for signature, hashed in (
        (signatures[1], "4cdaa85fddf1a1a032e5fca5d16d104d1b03f2b31641eff267d877264a44c570"),
        (signatures[2], "eb6fb72c4f3302de4b4a4693658e3a7bf1d464330eb80399500fe11bf1b7ab00"),
    ):
        key.verify(
            bytes.fromhex(signature),
            bytes.fromhex(hashed),
            padding.PKCS1v15(),
            utils.Prehashed(SHA256()),
        )


def test_pkcs1_and_its_wrapper_are_the_same_key() -> None:
    first, second = (load_der_public_key(public_der(wrapped=each)) for each in (False, True))
    assert first == second


def test_names() -> None:
    place = "p/AWSLogs/o-abc123/111122223333"
    name = "111122223333_CloudTrail-Digest_eu-west-1_a_b_us-east-1_20250301T100000Z"
    found = chain_of(f"{place}/CloudTrail-Digest/eu-west-1/2025/03/01/{name}_backfill.json.gz")
    assert found is not None
    chain, end = found
    assert (chain.place.base, chain.trail, chain.home) == (
        "p/AWSLogs/o-abc123/",
        "a_b",
        "us-east-1",
    )
    assert (chain.backfill, end.hour) == (True, 10)
    folder = f"{place}/CloudTrail/eu-west-1/2025/03/01"
    file = f"{folder}/111122223333_CloudTrail_eu-west-1_20250301T1005Z_x"
    at = file_of(f"{file}.json.gz")
    assert at is not None
    assert (at[0], at[1].minute) == (chain.place, 5)
    assert chain_of(file) is None
    assert file_of(file.replace("CloudTrail_", "CloudTrail-Insight_")) is None
    assert chain_of(f"{place}/CloudTrail-Digest/eu-west-1/2025/13/01/{name}.json.gz") is not None
    assert chain_of(f"{place}/CloudTrail-Digest/us-east-1/2025/03/01/{name}.json.gz") is None
