"""Every answer that the gateway gives instead of an engine, in the shape of OpenAI's errors."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Final

import msgspec

INVALID: Final = "invalid_request_error"
AUTHENTICATION: Final = "authentication_error"
RATE_LIMIT: Final = "rate_limit_error"
QUOTA: Final = "insufficient_quota"
UNAVAILABLE: Final = "service_unavailable_error"
UPSTREAM: Final = "upstream_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request gets no answer of an engine, and when it may come again."""

    status: int
    kind: str
    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None

    @property
    def body(self) -> bytes:
        """`{"error": {message, type, param, code}}` in JSON."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return json.dumps({"error": error}).encode()

    @property
    def event(self) -> bytes:
        """The same as an event of a stream that has begun, whose status cannot be changed any more."""
        return b"data: " + self.body + b"\n\n"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Of the answer with this body; Retry-After in whole seconds, rounded up so that it is not too early."""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(max(1, math.ceil(self.retry_after_s))).encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def invalid(message: str, *, param: str | None = None, status: int = 400, code: str = "invalid_request") -> Refusal:
    """A request that no engine would understand."""
    return Refusal(status=status, kind=INVALID, code=code, message=message, param=param)


UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""How reading a body of JSON fails."""


def unreadable(error: Exception) -> Refusal:
    """Of one of UNREADABLE: JSON that is not what was asked for, with the key that is wrong, or no JSON."""
    if isinstance(error, msgspec.ValidationError):
        where = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else None
        return invalid(f"the body is not as expected: {error}", param=where)
    return invalid(f"the body is no JSON: {error}", code="malformed_json")


def unauthenticated(message: str, code: str = "invalid_api_key") -> Refusal:
    """Nobody knows who asks."""
    return Refusal(status=401, kind=AUTHENTICATION, code=code, message=message)


def unavailable(message: str, code: str, retry_after_s: float) -> Refusal:
    """Nobody can answer now."""
    return Refusal(status=503, kind=UNAVAILABLE, code=code, message=message, retry_after_s=retry_after_s)


class Refused(Exception):
    """Ends a request with this refusal, from wherever it was found out."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
