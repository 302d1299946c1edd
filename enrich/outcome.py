"""Whether a call succeeded: `event.outcome`."""

from __future__ import annotations

from typing import Any

from enrich.view import RecordView, part

SIGN_IN = "signin.amazonaws.com"


def is_sign_in(source: str, name: str) -> bool:
    """Whether the result stands in the event's own body, as sign-in events tell it."""
    return name == "ConsoleLogin" or source.lower() == SIGN_IN


def failed(view: RecordView) -> bool:
    """Whether the call failed.

    Sign-in events carry no `errorCode`: ConsoleLogin, SwitchRole, CheckMfa and the rest say
    `Success` or `Failure` under their own name in `responseElements`, Identity Center's
    CredentialVerification and UserAuthentication in `serviceEventDetails`; where they say
    nothing, an `errorMessage` is a failure. All others fail by `errorCode`.
    Source: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html
    """
    name = view.eventName or ""
    if is_sign_in(view.eventSource or "", name):
        told = _told(part(view.responseElements), name) or _told(
            part(view.serviceEventDetails), name
        )
        if told:
            return told == "failure"
        return bool(view.errorMessage or view.errorCode)
    return bool(view.errorCode)


def _told(body: Any, name: str) -> str:
    """`success`, `failure`, or nothing, as the body tells under the event's name."""
    value = body.get(name) if isinstance(body, dict) else None
    word = value.lower() if isinstance(value, str) else ""
    return word if word in {"success", "failure"} else ""
