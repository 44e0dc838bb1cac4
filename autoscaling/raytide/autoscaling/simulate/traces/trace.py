"""A trace: when requests arrive and how long they are, whatever file or formula they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raytide.core.errors import RaytideError


class TraceError(RaytideError):
    """A file that is no trace; the sentence names the file, the line, what is wrong and what to do."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Requests in order of arrival; the arrays are read-only and of one length."""

    name: str
    arrival_s: NDArray[np.float64]
    """Seconds since the trace starts; never decreasing, from 0 to `span_s`."""
    prompt_tokens: NDArray[np.int32]
    """At least one: an engine takes no empty prompt."""
    output_tokens: NDArray[np.int32]
    """At least one: an engine always writes a token."""
    span_s: float
    """Length of one lap: where a trace repeats, this is the next lap's time 0."""
    cached_tokens: NDArray[np.int32] | None = None
    """Prompt tokens that a prefix cache held, always fewer than the prompt; None where the source does not say."""
    class_of: NDArray[np.int32] | None = None
    """The traffic class of each request, as its place among those declared; None where the source does not say."""
    notes: tuple[str, ...] = ()
    """What a reader left out or made up; a report repeats it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "arrival_s", _read_only(self.arrival_s, np.float64))
        for field in ("prompt_tokens", "output_tokens", "cached_tokens", "class_of"):
            array = getattr(self, field)
            if array is not None:
                assert len(array) == len(self.arrival_s), field
                object.__setattr__(self, field, _read_only(array, np.int32))

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def requests_per_s(self) -> float:
        """The mean rate over a lap."""
        return len(self) / self.span_s


def natural_span_s(arrival_s: NDArray[np.float64]) -> float:
    """The last arrival and one mean gap: a trace that repeats after it keeps its rate; takes two arrivals or more."""
    mean_gap_s = (arrival_s[-1] - arrival_s[0]) / (len(arrival_s) - 1)
    return float(arrival_s[-1] + mean_gap_s)


def _read_only(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    own: NDArray[Any] = np.array(array, dtype=dtype)
    own.flags.writeable = False
    return own
