"""Secrets of API keys: shown once, and stored only as their hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

PREFIX: Final = "rt-"
_BYTES: Final = 32
_SHOWN: Final = 8


def new_secret() -> str:
    """A random secret of 256 bits. A slow hash protects guessable passwords; nobody guesses this one."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_of(secret: str) -> str:
    """SHA-256 as hexadecimal digits, the only form that is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def shown(secret: str) -> str:
    """The beginning, by which a person tells keys apart."""
    return secret[: len(PREFIX) + _SHOWN]
