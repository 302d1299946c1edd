"""`trailhound config`: shows the settings in force, and writes a settings file."""

from __future__ import annotations

import json as jsonlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.common_flags import flags_of
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing, Output, form_of, note
from trailhound.cli.options import Config, Json, Namespace, Url, settings_from
from trailhound.cli.screen import plural, say, warn
from trailhound.errors import UnusablePathError, UsageError

with late_imports():
    from trailhound.app.settings_check import settings_warnings
    from trailhound.cluster.refusals import redact_url
    from trailhound.private_files import open_private
    from trailhound.settings import DEFAULT_FILE
    from trailhound.settings.effective import DEFAULT, Effective, commented, effective


app = typer.Typer(
    no_args_is_help=True,
    help="Settings: show effective values and their origin; write a settings file.",
)


_BARE_ADDRESSES = frozenset({"cluster.hosts"})
"""Settings whose addresses may stand without `https://` before them."""


def _value(each: Effective) -> str:
    value = _redacted(each.given, bare=each.name in _BARE_ADDRESSES)
    return value if isinstance(value, str) else jsonlib.dumps(value, ensure_ascii=False)


def _shown(each: Effective) -> Any:
    """A setting's value without the logins that addresses may hold."""
    return _redacted(each.value, bare=each.name in _BARE_ADDRESSES)


def _redacted(value: Any, *, bare: bool) -> Any:
    if isinstance(value, str) and "@" in value and (bare or "://" in value):
        return redact_url(value)
    if isinstance(value, list):
        return [_redacted(each, bare=bare) for each in value]
    if isinstance(value, dict):
        return {name: _redacted(each, bare=bare) for name, each in value.items()}
    return value


LISTING = Listing[Effective](
    "settings",
    (
        Column("name", lambda each: each.name, "setting", ColumnType.ENTIRE),
        Column("value", _value, "value", whole=True, yields=16),
        Column("from", lambda each: each.origin, "from", whole=True),
    ),
    lambda each: each.as_dict() | {"value": _shown(each)},
    empty="every setting has its default",
)


@app.command()
def show(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Only this setting or section, such as `cluster`."),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Only settings that differ from their default.")
    ] = False,
    url: Url = None,
    namespace: Namespace = None,
    config: Config = None,
    output: Output = None,
    json: Json = False,
) -> None:
    """Show each setting and where its value comes from: default, file, environment or flag.

    Secrets are not shown.

    Example: `trailhound config show --changed`
    """
    form = form_of(output, json)
    settings = settings_from(config, url, namespace)
    every = effective(settings, config, flags_of(url, namespace))
    rows = [each for each in every if name is None or f"{each.name}.".startswith(f"{name}.")]
    if name is not None and not rows:
        raise UsageError(f"there is no setting {name}", hint="see `trailhound config show`")
    rows = [each for each in rows if not changed or each.origin != DEFAULT]
    LISTING.show(rows, form)
    for location, doubt in settings_warnings(settings):
        warn(f"{'.'.join(map(str, location))}: {doubt}")
    note(plural(len(rows), "setting"), form)


@app.command()
def init(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The file to write; it must not exist. Default: trailhound.yaml.",
        ),
    ] = None,
) -> None:
    """Write a settings file that has every setting with its default, commented out.

    Example: `trailhound config init`
    """
    text, file = commented(), file or Path(DEFAULT_FILE)
    try:
        descriptor = open_private(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        raise UsageError(
            f"{file} exists and is not overwritten", hint="name another file, or remove it"
        ) from None
    except OSError as error:
        raise UnusablePathError(
            f"{file} can't be written: {error.strerror}", hint="check the path"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    say(
        f"{file} is written: remove `# ` where a setting is to have another value, and from the "
        "line of its section"
    )
