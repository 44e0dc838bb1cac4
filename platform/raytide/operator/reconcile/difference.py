"""What a step would change in an object, for people to read before it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from raytide.operator.reconcile.ownership import holds
from raytide.operator.reconcile.step import Object

_HIDDEN: Final = frozenset({"env", "data", "stringData", "annotations"})
"""Below these somebody may have put a token by hand, and what is live there is not printed."""
_LONGEST: Final = 60


def differences(live: Object, body: Object) -> Iterator[str]:
    """A line for each value that differs: its path, what is live and what is sent."""
    yield from _differences(live, body, (), is_hidden=False)


def _differences(live: Any, body: Any, path: tuple[str, ...], *, is_hidden: bool) -> Iterator[str]:
    if holds(live, body):
        return
    if isinstance(body, Mapping) and isinstance(live, Mapping):
        for key, wanted in body.items():
            yield from _differences(live.get(key), wanted, (*path, str(key)), is_hidden=is_hidden or key in _HIDDEN)
    elif isinstance(body, list) and isinstance(live, list) and len(body) == len(live):
        for index, (one, wanted) in enumerate(zip(live, body, strict=True)):
            yield from _differences(one, wanted, (*path, str(index)), is_hidden=is_hidden)
    else:
        before = "none" if live is None else "another value" if is_hidden else _short(live)
        yield f"{'.'.join(path)}: {before} → {_short(body)}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} entries"
    text = "a map" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
