"""Quantities as people write them in YAML, and the one unit that each becomes inside raytide.

A duration is seconds, a size bytes, a share a fraction of one, a price US dollars per hour or per million tokens. A
bare number where a unit belongs is an error: `ttft: 500` is half a second to one reader and eight minutes to another.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

# Not \d, which is ASCII in JSON Schema and any script in Python; 15 digits are what a float holds exactly.
_NUMBER: Final = r"([0-9]{1,15}(?:\.[0-9]{1,15})?)"
# What one token adds to an iteration is tens of nanoseconds, and measurements are written with exponents.
_DURATION_NUMBER: Final = r"([0-9]{1,15}(?:\.[0-9]{1,15})?(?:e-?[0-9]{1,2})?)"
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES: Final = {
    "B": 1,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_COUNT: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}

DURATION_PATTERN: Final = rf"^{_DURATION_NUMBER}(ns|us|ms|s|m|h|d)$"
SIZE_PATTERN: Final = rf"^{_NUMBER}(B|[kMGT]B|[KMGT]iB)$"
_PERCENT_PATTERN: Final = r"^(100(?:\.0{1,15})?|[0-9]{1,2}(?:\.[0-9]{1,15})?)%$"
_PRICE_PATTERN: Final = rf"^\${_NUMBER}/h$"
_TOKEN_PRICE_PATTERN: Final = rf"^\${_NUMBER}/Mtok$"
_COUNT_PATTERN: Final = rf"^{_NUMBER}([kMG]?)$"


def parse_duration_s(value: object) -> float:
    """Seconds from `500ms`, `10s`, `5m`, `2h`; and from `79ns` or `7.9e-5ms`, which are the same."""
    number, unit = _parts(value, DURATION_PATTERN, "a duration such as 500ms, 10s, 5m or 2h")
    return number * _SECONDS[unit]


def parse_bytes(value: object) -> int:
    """Bytes from `40GiB`, `512MiB`, `2GB`."""
    number, unit = _parts(value, SIZE_PATTERN, "a size such as 512MiB or 40GiB")
    return round(number * _BYTES[unit])


def parse_fraction(value: object) -> float:
    """A fraction between 0 and 1 from `1%` or `0.01`."""
    expected = "a share such as 1% or 0.01, between 0 and 1"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return float(_match(value, _PERCENT_PATTERN, expected)[1]) / 100
    if not 0 <= value <= 1:
        raise ValueError(expected)
    return float(value)


def parse_usd_per_hour(value: object) -> float:
    """US dollars per hour from `$2.5/h`."""
    return float(_match(value, _PRICE_PATTERN, "a price such as $2.5/h")[1])


def parse_usd_per_million_tokens(value: object) -> float:
    """US dollars per million tokens from `$0.15/Mtok`."""
    return float(_match(value, _TOKEN_PRICE_PATTERN, "a price such as $0.15/Mtok")[1])


def parse_count(value: object) -> int:
    """A whole number from `200`, `200k`, `1.5M` (powers of ten)."""
    expected = "a whole number such as 600, 200k or 1.5M"
    number, unit = _parts(value, _COUNT_PATTERN, expected)
    count = number * _COUNT[unit]
    if count != round(count):
        raise ValueError(expected)
    return round(count)


def format_duration(seconds: float) -> str:
    """The shortest exact-looking duration: `500ms`, `1.5s`, `10m`, `2h`."""
    if 0 < seconds < 1:
        return f"{_digits(seconds * 1000, 3)}ms"
    for unit in ("d", "h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.0f}s" if seconds >= 1000 else f"{_digits(seconds, 4)}s"


def format_bytes(num_bytes: float) -> str:
    """A size in its largest binary unit, or in its largest decimal one where only that is exact: `1.5GiB`, `8MB`."""
    binary = next((u for u in ("TiB", "GiB", "MiB", "KiB") if num_bytes >= _BYTES[u]), "B")
    decimal = next((u for u in ("TB", "GB", "MB", "kB") if num_bytes >= _BYTES[u]), "B")
    texts = [f"{_digits(num_bytes / _BYTES[unit], 4)}{unit}" for unit in (binary, decimal)]
    return next((text for text in texts if parse_bytes(text) == num_bytes), texts[0])


def _digits(number: float, significant: int) -> str:
    # Through Decimal, because `g` alone writes 12345 as 1.234e+04, which no unit accepts.
    return f"{Decimal(f'{number:.{significant}g}'):f}"


def _match(value: object, pattern: str, expected: str) -> re.Match[str]:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(expected)
    found = re.fullmatch(pattern, str(value))
    if found is None:
        raise ValueError(expected)
    return found


def _parts(value: object, pattern: str, expected: str) -> tuple[float, str]:
    found = _match(value, pattern, expected)
    return float(found[1]), found[2]


def _text_schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Seconds = Annotated[float, BeforeValidator(parse_duration_s), _text_schema(DURATION_PATTERN, "500ms")]
Bytes = Annotated[int, BeforeValidator(parse_bytes), _text_schema(SIZE_PATTERN, "40GiB")]
UsdPerHour = Annotated[float, BeforeValidator(parse_usd_per_hour), _text_schema(_PRICE_PATTERN, "$2.5/h")]
UsdPerMillionTokens = Annotated[
    float, BeforeValidator(parse_usd_per_million_tokens), _text_schema(_TOKEN_PRICE_PATTERN, "$0.15/Mtok")
]
Count = Annotated[
    int,
    BeforeValidator(parse_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _COUNT_PATTERN}]}),
]
Fraction = Annotated[
    float,
    BeforeValidator(parse_fraction),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": _PERCENT_PATTERN}]}
    ),
]
