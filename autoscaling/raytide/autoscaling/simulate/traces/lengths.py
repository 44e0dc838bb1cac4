"""Lengths of one ServeGen client: how probable each is, from a time on."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.draw import Lengths
from raytide.autoscaling.simulate.traces.rows import open_text

_FIELDS: Final = ("input_tokens", "output_tokens")


class MalformedLengths(Exception):
    """A client's lengths cannot be read; the sentence names the file. The client is skipped."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Histogram:
    tokens: NDArray[np.int32]
    cumulative: NDArray[np.float64]

    def draw(self, num: int, rng: np.random.Generator) -> NDArray[np.int32]:
        return self.tokens[np.searchsorted(self.cumulative, rng.random(num), side="right")]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LengthsByTime:
    """A client's lengths in order of time."""

    starts_s: tuple[float, ...]
    histograms: tuple[tuple[_Histogram, _Histogram], ...]
    """Of prompts and outputs, from each start on."""

    def draw(self, at_s: float, num_requests: int, rng: np.random.Generator) -> Lengths:
        """Lengths of so many requests at a time: of the last histogram that began, or of the first."""
        prompt, output = self.histograms[max(bisect_right(self.starts_s, at_s) - 1, 0)]
        return Lengths(prompt_tokens=prompt.draw(num_requests, rng), output_tokens=output.draw(num_requests, rng))


def read_lengths(path: Path) -> LengthsByTime:
    """The lengths in a client's dataset file; times without observed lengths are left out.

    Raises:
        MalformedLengths: the file is missing, no such JSON, or has no length at all.
    """
    try:
        with open_text(path) as file:
            entries = sorted((float(start), fields) for start, fields in json.load(file).items())
        known = {start_s: both for start_s, fields in entries if (both := _both(fields))}
    except FileNotFoundError as error:
        raise MalformedLengths(f"{path.name} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedLengths(f"{path.name} is no set of length probabilities ({type(error).__name__})") from error
    if not known:
        raise MalformedLengths(f"{path.name} has no lengths")
    return LengthsByTime(starts_s=tuple(known), histograms=tuple(known.values()))


def _both(fields: dict[str, Any]) -> tuple[_Histogram, _Histogram] | None:
    prompt, output = (_histogram(fields[name]) for name in _FIELDS)
    return (prompt, output) if prompt and output else None


def _histogram(text: str) -> _Histogram | None:
    """The histogram in `{9: 0.25, 163: 0.75}`, a Python literal in the published files; None where it is empty."""
    inside = text.strip().removeprefix("{").removesuffix("}").strip()
    if not inside:
        return None
    tokens, weights = np.array(re.split("[:,]", inside), dtype=np.float64).reshape(-1, 2).T
    if not (weights >= 0).all() or not weights.sum() > 0 or not (tokens >= 0).all():
        raise ValueError
    cumulative = np.cumsum(weights) / weights.sum()
    cumulative[-1] = 1.0  # a draw is below one, and the sum may round to less
    return _Histogram(tokens=np.maximum(tokens, 1).astype(np.int32), cumulative=cumulative)
