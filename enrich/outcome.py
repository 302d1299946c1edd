"""Whether a call succeeded: `event.outcome`."""

from __future__ import annotations

import re
from typing import Any

from enrich.category import service
from enrich.memo import Memo
from enrich.view import RecordView, part

_SELF_REPORTING = frozenset({"signin", "grafana"})
"""Services that report the result in the body of the event."""
_STATUS = re.compile(
    r"(?:HTTP(?:/[0-9.]+)?[ _-]?)?([0-9]{1,9})(?:\.0+)?(?:[ :_-].*)?", re.IGNORECASE | re.DOTALL
)
"""An HTTP status in the place of an error code: `200`, `403.0`, `HTTP 404`, `200 OK`."""
_FIRST_ERROR_STATUS = 400
_NO_ERROR = frozenset({"success", "succeeded", "successful", "ok", "none", "null", "-"})
_RESULTS = {
    "success": "success",
    "succeeded": "success",
    "failure": "failure",
    "failed": "failure",
    "fail": "failure",
}


def reports_result(source: str, name: str) -> bool:
    """Whether the body of the event reports the result, as sign-in events do."""
    return name == "ConsoleLogin" or service(source) in _SELF_REPORTING


def is_error(code: str | int | float | None) -> bool:
    """Whether an `errorCode` means an error.

    Some services write an HTTP status, as text or number, successes included: below 400 it is
    no error. So are an empty text and words like `Success`.

    >>> is_error("AccessDenied"), is_error("200"), is_error(403)
    (True, False, True)
    """
    return _errors["" if code is None else str(code)]


def _is_error(code: str) -> bool:
    text = code.strip()
    status = _STATUS.fullmatch(text)
    if status:
        return int(status[1]) >= _FIRST_ERROR_STATUS
    return bool(text) and text.lower() not in _NO_ERROR


_errors: Memo[str, bool] = Memo(_is_error, limit=4_096, longest=256)


def failed(view: RecordView) -> bool:
    """Whether the call failed.

    Sign-in events carry no `errorCode`: ConsoleLogin, SwitchRole, CheckMfa and the rest say
    `Success` or `Failure` under their own name in `responseElements`, Identity Center's
    CredentialVerification and UserAuthentication in `serviceEventDetails`; where they say
    nothing, an `errorMessage` is a failure. Grafana says it in `additionalEventData.result`.
    All others fail by `errorCode`, see `is_error`.
    Sources: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html,
    https://docs.aws.amazon.com/grafana/latest/userguide/logging-using-cloudtrail.html
    """
    name, source = view.eventName or "", view.eventSource or ""
    if not reports_result(source, name):
        return is_error(view.errorCode)
    if service(source) == "grafana":
        result = part(view.additionalEventData)
        result = result.get("result") if isinstance(result, dict) else None
        outcome = _outcome_in(result, "statusType")
        return outcome == "failure" or (not outcome and is_error(view.errorCode))
    outcome = _outcome_in(part(view.responseElements), name)
    outcome = outcome or _outcome_in(part(view.serviceEventDetails), name)
    if outcome:
        return outcome == "failure"
    return is_error(view.errorCode) or bool(view.errorMessage)


def _outcome_in(body: Any, name: str) -> str:
    """`success`, `failure`, or nothing, from a field of the body."""
    value = body.get(name) if isinstance(body, dict) else None
    return _RESULTS.get(value.lower(), "") if isinstance(value, str) else ""
