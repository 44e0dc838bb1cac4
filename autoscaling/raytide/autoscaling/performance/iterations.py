"""Iterations as `benchmarks/iteration_on_gpu.py` measures them: what known batches take with no engine around them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.core.errors import RaytideError

_COLUMNS: Final = ("shape", "n", "kv_tokens", "prefill_tokens", "median_ms")


class IterationsUnreadable(RaytideError):
    """A file of iterations that lacks a column or holds something that is no number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredIteration:
    """One batch, and how long it took."""

    shape: str
    """The model, and after a slash the size of the group of which one GPU was measured."""
    num_sequences: int
    kv_tokens: int
    prefill_tokens: int
    seconds: float

    @property
    def as_serving_point(self) -> ServingPoint | None:
        """The serving point with this iteration as its mean; None for prompts with nothing or one sequence beside them.

        Exact: its `iteration_terms` are 1, n, √n, K and p of this batch.
        """
        if not self.num_sequences or (self.prefill_tokens and self.num_sequences == 1):
            return None
        others = max(self.num_sequences - 1, 1)
        prompt_per_output = self.prefill_tokens / others
        output = self.kv_tokens / self.num_sequences / (prompt_per_output + 0.5)
        return ServingPoint(
            concurrency=self.num_sequences,
            prompt_tokens=prompt_per_output * output,
            output_tokens=output,
            tpot_s=self.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCard:
    """What a file says: the facts of its head, and its iterations in order."""

    facts: Mapping[str, str]
    iterations: tuple[MeasuredIteration, ...]


def read_iterations(lines: Iterable[str], *, name: str) -> MeasuredCard:
    """The card in the lines of a CSV whose head is `# key: value`; `name` is the file's, for errors.

    Raises:
        IterationsUnreadable: a column is absent, or a cell is no number of at least zero.
    """
    numbered = list(enumerate(lines, start=1))
    head = [line.removeprefix("#").partition(":") for _, line in numbered if line.startswith("#")]
    body = [(at, line) for at, line in numbered if not line.startswith("#")]
    rows = csv.DictReader(line for _, line in body)
    absent = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
    if absent:
        raise IterationsUnreadable(
            f"{name} has no column {', '.join(absent)}; use a file that benchmarks/iteration_on_gpu.py wrote."
        )
    return MeasuredCard(
        facts={key.strip(): value.strip() for key, _, value in head},
        iterations=tuple(_iteration(row, f"{name}:{body[rows.line_num - 1][0]}") for row in rows),
    )


def _iteration(row: Mapping[str, str], where: str) -> MeasuredIteration:
    def number(column: str) -> float:
        try:
            value = float(row[column] or "")
        except ValueError:
            value = float("nan")
        if not 0 <= value < float("inf"):
            raise IterationsUnreadable(f"{where}: {column} is {row[column]!r}; write a number of at least 0.")
        return value

    return MeasuredIteration(
        shape=row["shape"],
        num_sequences=round(number("n")),
        kv_tokens=round(number("kv_tokens")),
        prefill_tokens=round(number("prefill_tokens")),
        seconds=number("median_ms") / 1000,
    )
