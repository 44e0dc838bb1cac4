"""Whole starts and stops near those of a relaxation, improved by one or two replicas at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.judge import Judge
from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.schedule import Steps

MAX_ROUNDS: Final = 6
"""Each takes the best of all moves."""

GOOD: Final = 1.005
"""Half a percent above what no path is below, prices and forecasts decide which path is better, and not the search."""

Path = tuple[Steps, Steps]
"""Cumulative starts and stops; of shape (options, steps), or (paths, options, steps) where there are many."""


def repaired(judge: Judge, x: Floats, end: Steps, bound_usd: float) -> Path:
    """A whole path near the relaxed one, or near the shortest to the counts `end`; within all bounds.

    No path has an objective below `bound_usd`.
    """
    relaxed, shortest = _rounded(judge, x), _shortest(judge, end)
    paths = _allowed(judge, *(np.concatenate([many, one[None]]) for many, one in zip(relaxed, shortest, strict=True)))
    verdicts = judge.verdicts(*paths)
    path, rank = _nth(paths, verdicts.best), verdicts.rank(verdicts.best)
    return path if rank <= (0.0, GOOD * bound_usd) else _improved(judge, path, rank)


def _rounded(judge: Judge, x: Floats) -> Path:
    """Four ways to round a relaxed path, of which `x` holds the starts and stops of each step."""
    num_options, num_steps = judge.horizon.ready.shape
    split = x[: 2 * num_options * num_steps].reshape(-1, 2, num_steps).cumsum(axis=-1)
    started, stopped = split[:, 0], split[:, 1]
    starts = np.stack([np.ceil(started - 1e-6), np.rint(started), *[np.floor(started + 1e-6)] * 2])
    stops = np.stack([np.floor(stopped + 1e-6), np.rint(stopped), np.floor(stopped + 1e-6), np.ceil(stopped - 1e-6)])
    return starts.astype(np.int64), stops.astype(np.int64)


def _shortest(judge: Judge, end: Steps) -> Path:
    """What the end lacks starts now; what it has no use for stops once all of that serves."""
    more, steps = end[:, None] - judge.horizon.now, np.arange(judge.horizon.ready.shape[1])
    started = np.minimum(np.maximum(more, 0), judge.max_starts) * np.ones_like(steps)
    serves_from = np.where(started > 0, (judge.horizon.serves > 0).argmax(axis=1)[:, None], 0).max()
    return started, np.maximum(-more, 0) * (steps >= serves_from)


def _allowed(judge: Judge, started: Steps, stopped: Steps) -> Path:
    return started, judge.allowed(started, stopped)


def _nth(paths: Path, path: int) -> Path:
    return paths[0][path], paths[1][path]


def _improved(judge: Judge, path: Path, rank: tuple[float, float]) -> Path:
    """The path after the best move of every round, until none helps or the rounds are spent."""
    for _ in range(MAX_ROUNDS):
        moved = _allowed(judge, *_moved(judge, *path))
        verdicts = judge.verdicts(*moved)
        best = verdicts.rank(verdicts.best)
        if best >= (rank[0], rank[1] - 1e-9):
            return path
        path, rank = _nth(moved, verdicts.best), best
    return path


def _moved(judge: Judge, started: Steps, stopped: Steps) -> Path:
    """Every path that is a move away: one start less, later, more, or one or two of another variant in its place; one
    stop less or more; a start and a stop less; and a start now with a stop at any step, which bridges or replaces.
    """
    num, end = started.shape
    lasting, passing = _single(num, end)
    begun, ended = _risen(started), _risen(stopped)
    room = np.flatnonzero(started[:, -1] < judge.max_starts[:, 0])
    begins = sorted({0, *begun[1].tolist()})
    fewer, unstopped = -lasting[begun], -lasting[ended]
    stops, others = lasting.reshape(-1, num, end), lasting[room]
    instead = others[:, begun[1]].swapaxes(0, 1)
    starts = [
        fewer,
        -passing[begun][begun[1] < end - 1],
        *(each.reshape(-1, num, end) for each in (others[:, begins], fewer[:, None] + instead)),
        (fewer[:, None] + 2 * instead).reshape(-1, num, end),
    ]
    moves = [
        (np.concatenate(starts), None),
        (None, np.concatenate([unstopped, stops])),
        (np.repeat(fewer, len(unstopped), axis=0), np.tile(unstopped, (len(fewer), 1, 1))),
        (np.repeat(others[:, 0], len(stops), axis=0), np.tile(stops, (len(room), 1, 1))),
    ]
    filled = [(_or_still(a, b), _or_still(b, a)) for a, b in moves]
    return started + np.concatenate([a for a, _ in filled]), stopped + np.concatenate([b for _, b in filled])


def _risen(cumulative: Steps) -> tuple[Steps, Steps]:
    """Options and steps in which a cumulative count rose."""
    rises = cumulative > 0
    rises[:, 1:] = cumulative[:, 1:] > cumulative[:, :-1]
    options, steps = rises.nonzero()
    return options, steps


@lru_cache(maxsize=8)
def _single(num: int, end: int) -> tuple[Steps, Steps]:
    """What one more of each option in each step changes of the cumulative counts: from that step on, and in that step
    only; of shape (options, steps, options, steps) each.
    """
    option, step = np.eye(num, dtype=np.int64), np.arange(end)
    lasting = option[:, None, :, None] * (step[:, None] <= step)[None, :, None, :]
    passing = option[:, None, :, None] * (step[:, None] == step)[None, :, None, :]
    return lasting, passing


def _or_still(change: Steps | None, other: Steps | None) -> Steps:
    """The change, or none beside the other."""
    return np.zeros_like(other) if change is None else change
