"""What an API server answered, as the reconciler's own errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from raytide.operator.reconcile.api import Conflict, Gone, Refused, Unavailable

_CONFLICT, _GONE, _BUSY = 409, 410, 429


@contextmanager
def translated() -> Iterator[None]:
    """Raises `Refused`, `Conflict`, `Gone` or `Unavailable` in the place of the client's errors."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise error_of(int(error.status or 0), _said(error.body, str(error.reason)), error.headers or {}) from error
    except (HTTPError, OSError) as error:
        raise Unavailable(f"no answer ({type(error).__name__})") from error


def error_of(status: int, message: str, headers: Mapping[str, str]) -> Exception:
    """The error for a status of HTTP; 0 is a handshake that failed."""
    if status == _CONFLICT:
        return Conflict(message)
    if status == _GONE:
        return Gone(message)
    if status == 0 or status == _BUSY or status >= 500:
        return Unavailable(f"{message} ({status})" if status else message, _seconds(headers.get("Retry-After")))
    return Refused(f"{message} ({status})")


def _said(body: Any, reason: str) -> str:
    """The message of a `Status`; never the headers, which say who asked."""
    try:
        return str(json.loads(body)["message"])
    except (TypeError, ValueError, KeyError):
        return reason


def _seconds(text: str | None) -> float | None:
    # An API server gives seconds; the date that HTTP allows beside them is a proxy's.
    return float(text) if text is not None and text.isdigit() else None
