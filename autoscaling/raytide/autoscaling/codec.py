"""Observations, terms and decisions as plain data and back, without a change in the last bit.

A dataclass becomes an object of its fields, an array a list, a histogram the counts that are not zero. Numbers pass as
they are: JSON writes a float with as many digits as bring it back.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from raytide.autoscaling.latency import NUM_BINS, Latencies
from raytide.autoscaling.missing import Missing

_MISSING_KEY = "missing"


class Undecodable(ValueError):
    """Plain data that does not describe a value of the type asked for."""


def plain(value: Any, *, compact: bool = False) -> Any:
    """The value as what JSON holds; a compact one leaves out fields at their defaults, which must then never change."""
    if isinstance(value, Missing):
        return {_MISSING_KEY: value.reason}
    if isinstance(value, Latencies):
        return {str(place): int(value.counts[place]) for place in np.flatnonzero(value.counts)}
    if is_dataclass(value):
        said = (one for one in fields(value) if not (compact and _is_default(value, one)))
        return {one.name: plain(getattr(value, one.name), compact=compact) for one in said}
    if isinstance(value, Mapping):
        return {str(key): plain(each, compact=compact) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each, compact=compact) for each in value]
    return _plain_scalar(value)


def typed(kind: Any, data: Any) -> Any:
    """The value of this type that `plain` wrote; raises `Undecodable` where the data is of another shape."""
    try:
        return _typed(kind, data)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise Undecodable(f"{getattr(kind, '__name__', kind)}: {error}") from error


def _is_default(value: Any, one: Field[Any]) -> bool:
    now = getattr(value, one.name)
    default = one.default if one.default_factory is MISSING else one.default_factory()
    if default is MISSING:
        return False
    comparable = isinstance(now, Missing) or not is_dataclass(now)
    return now is default or (type(now) is type(default) and comparable and bool(now == default))


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain_numbers(value.tolist())
    return _plain_numbers(value.value if isinstance(value, Enum) else value)


def _plain_numbers(value: Any) -> Any:
    """JSON knows no infinity: such a number is written as its name."""
    if isinstance(value, list):
        return [_plain_numbers(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _typed(kind: Any, data: Any) -> Any:
    if kind is Any:
        return data
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), data)
    if origin is tuple:
        return tuple(_typed(get_args(kind)[0], each) for each in data)
    if origin is np.ndarray:
        return np.array(data, dtype=get_args(get_args(kind)[1])[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {key: _typed(get_args(kind)[1], each) for key, each in data.items()}
    return _typed_plain(kind, data)


def _typed_plain(kind: Any, data: Any) -> Any:
    if kind is Latencies:
        return _histogram(data)
    if is_dataclass(kind):
        return _record(kind, data)
    if issubclass(kind, Enum):
        return kind(data)
    if kind is float:
        return float(data) if isinstance(data, str) else _number(data)
    if not isinstance(data, kind):
        raise TypeError(f"{data!r} is not a {kind.__name__}")
    return data


def _one_of(kinds: tuple[Any, ...], data: Any) -> Any:
    """None and `Missing` are told by their shape; each union here has one other member."""
    if data is None and type(None) in kinds:
        return None
    if Missing in kinds and isinstance(data, dict) and data.keys() == {_MISSING_KEY}:
        return Missing(reason=data[_MISSING_KEY])
    (other,) = (kind for kind in kinds if kind not in (Missing, type(None)))
    return _typed(other, data)


def _record(kind: Any, data: Mapping[str, Any]) -> Any:
    hints = _hints(kind)
    return kind(**{name: _typed(hints[name], each) for name, each in data.items()})


def _histogram(data: Mapping[str, int]) -> Latencies:
    counts = np.zeros(NUM_BINS, dtype=np.int64)
    for place, count in data.items():
        counts[int(place)] = count
    return Latencies(counts=counts)


def _number(data: Any) -> Any:
    if isinstance(data, bool) or not isinstance(data, int | float):
        raise TypeError(f"{data!r} is not a number")
    return data


@lru_cache(maxsize=64)
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
