"""What a daemon answers at `/readyz`."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError


def answer(address: str, accept: str = "*/*") -> tuple[int, str]:
    """Status and body of `/readyz`; 0 while nobody answers."""
    request = urllib.request.Request(f"http://{address}/readyz", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request) as reply:
            return reply.status, reply.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, HTTPException):
        return 0, "{}"


def readiness(address: str) -> tuple[int, set[tuple[str, str]]]:
    """Status of `/readyz`, and its reasons by code and subject; 0 while nobody answers to the
    end."""
    status, body = answer(address)
    details = json.loads(body).get("details", ())
    return status, {(each["code"], each["subject"]) for each in details}


def codes(address: str) -> set[tuple[str, str]]:
    """What `/readyz` gives as reasons, by code and subject."""
    status, found = readiness(address)
    assert status in (0, 200 if not found else 503)
    return found
