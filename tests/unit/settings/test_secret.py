"""A secret is read in one way, whichever part needs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from trailhound.errors import SettingsError
from trailhound.settings.secret import read_secret, require_secret


def test_the_value_goes_before_the_file_and_is_taken_as_it_is(tmp_path: Path) -> None:
    assert read_secret("a.password", SecretStr(" x "), tmp_path / "none") == " x "
    assert read_secret("a.password", None, None) is None


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_last_line_break_of_a_file_is_no_part_of_the_secret(tmp_path: Path, end: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(f" pässword {end}".encode())
    assert read_secret("a.password", None, file) == " pässword "
    assert require_secret("a.password", None, file) == "pässword"


@pytest.mark.parametrize("content", [b"hunter2 \xff", None])
def test_a_file_that_cannot_be_read_is_named_and_not_what_is_in_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"a\.password_file .*password cannot be read") as error:
        read_secret("a.password", None, file)
    assert "hunter2" not in str(error.value)


def test_a_secret_that_is_needed_and_empty_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("\n")
    for file in (None, tmp_path / "url"):
        with pytest.raises(SettingsError, match="ops: url is empty"):
            require_secret("ops: url", None, file)
