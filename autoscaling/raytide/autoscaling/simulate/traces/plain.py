"""Our own format: a CSV file with `arrival_s`, `prompt_tokens`, `output_tokens`; `cached_tokens`, `class` if known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.checked import checked
from raytide.autoscaling.simulate.traces.rows import Kind, csv_line, read_columns
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError
from raytide.core.spec.suggest import nearest

COLUMNS: Final = ("arrival_s", "prompt_tokens", "output_tokens")
_CACHED: Final = "cached_tokens"
_CLASS: Final = "class"


def read_plain(path: Path, header: tuple[str, ...], classes: Sequence[str] = ()) -> Trace:
    """The trace in a plain file; other columns are ignored, and so is the class where no `classes` are declared.

    Raises:
        TraceError: a row does not parse or could not be of a trace, or its class is not declared.
    """
    kinds = {"arrival_s": Kind.NUMBER, "prompt_tokens": Kind.TOKENS, "output_tokens": Kind.TOKENS}
    kinds |= {_CACHED: Kind.TOKENS} if _CACHED in header else {}
    kinds |= {_CLASS: Kind.NAME} if classes and _CLASS in header else {}
    columns = read_columns(path, kinds)
    arrival_s, prompt_tokens, output_tokens = (columns[name] for name in COLUMNS)
    trace = checked(path, csv_line(path), arrival_s, prompt_tokens, output_tokens, columns.get(_CACHED))
    return replace(trace, class_of=_places(path, columns[_CLASS], classes)) if _CLASS in columns else trace


def _places(path: Path, names: NDArray[Any], classes: Sequence[str]) -> NDArray[np.int32]:
    places = np.full(len(names), -1, dtype=np.int32)
    for place, name in enumerate(classes):
        places[names == name] = place
    if (places < 0).any():
        row = int(np.argmin(places))
        meant = nearest(names[row], classes)
        hint = f"did you mean {meant!r}?" if meant else f"the service declares {', '.join(classes)}"
        raise TraceError(f"{path}:{csv_line(path)(row)}: no class is named {names[row]!r}; {hint}")
    return places
