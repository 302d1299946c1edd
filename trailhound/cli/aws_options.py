"""Options of several commands of `trailhound aws`, and the account that they name."""

from __future__ import annotations

from typing import Annotated

import typer

from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, settings_from
from trailhound.cli.screen import warn

with late_imports():
    from trailhound.aws.account import Account


Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        help="Name of the set-up; its trail, queue and roles are named after it.",
    ),
]

Bucket = Annotated[
    str | None,
    typer.Option(
        "--bucket", metavar="NAME", help="Default: NAME-logs-ACCOUNT-REGION, created if missing."
    ),
]

Region = Annotated[
    str | None,
    typer.Option(
        "--region", metavar="REGION", help="The trail's home region. Default: aws.region."
    ),
]


def account_of(config: Config, region: Region) -> Account:
    """The account of the credentials, in `region`. Warns that `aws.endpoint_url`, the address of an
    S3-compatible store, is not used for it."""
    aws = settings_from(config).aws
    if aws.endpoint_url:
        warn(
            "aws.endpoint_url is the address of the store of the files, and not used here: AWS is "
            "asked at its own addresses, or at AWS_ENDPOINT_URL"
        )
    return Account(aws, region)


def is_given(context: typer.Context, name: str | None) -> bool:
    """Whether a parameter was given on the command line."""
    source = context.get_parameter_source(name or "")
    return source is not None and source.name == "COMMANDLINE"
