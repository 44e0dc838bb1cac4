"""Whole starts and stops near those of a relaxation, improved one replica at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from raytide.autoscaling.optimise.judge import Judge, Verdict
from raytide.autoscaling.optimise.program import Floats
from raytide.autoscaling.optimise.timeline import Steps

MAX_MOVES: Final = 150
"""Of 60 random services with four variants, 400 moves improved none further than 150 did."""

Path = tuple[Steps, Steps]
"""Cumulative starts and stops; both of shape (options, steps)."""


def repaired(judge: Judge, x: Floats) -> Path:
    """A whole path near the relaxed one, within all bounds."""
    num_options, num_steps = judge.ready.shape
    split = x[: 2 * num_options * num_steps].reshape(-1, 2, num_steps)
    started, stopped = split[:, 0], split[:, 1]
    paths = [
        _path(judge, np.ceil(started - 1e-6), np.floor(stopped + 1e-6)),
        _path(judge, np.rint(started), np.rint(stopped)),
        _path(judge, np.floor(started + 1e-6), np.floor(stopped + 1e-6)),
        _path(judge, np.floor(started + 1e-6), np.ceil(stopped - 1e-6)),
    ]
    return _improved(judge, min(paths, key=lambda path: _rank(judge.verdict(*path))))


def _rank(verdict: Verdict) -> tuple[float, float]:
    return verdict.num_broken, verdict.objective_usd


def _path(judge: Judge, started: Floats, stopped: Floats) -> Path:
    starts = started.astype(np.int64)
    return starts, judge.allowed(starts, stopped.astype(np.int64))


def _improved(judge: Judge, path: Path) -> Path:
    """The path after every move that helps, until none does or the moves are spent."""
    best, num_moves, is_moving = _rank(judge.verdict(*path)), 0, True
    while is_moving:
        is_moving = False
        for started, stopped in _moves(judge, path):
            num_moves += 1
            moved = started, judge.allowed(started, stopped)
            rank = _rank(judge.verdict(*moved))
            if rank < (best[0], best[1] - 1e-9):
                path, best, is_moving = moved, rank, True
            if num_moves >= MAX_MOVES:
                return path
    return path


def _moves(judge: Judge, path: Path) -> Iterator[Path]:
    """For each variant one start less, later or more; one stop more or less."""
    started, stopped = path
    end = started.shape[1]
    for option, line in enumerate(judge.horizon.timelines):
        begun = np.flatnonzero(np.diff(started[option], prepend=0))
        for step in begun:
            yield _with(started, option, int(step), end, -1), stopped
            yield _with(started, option, int(step), int(step) + 1, -1), stopped
        if started[option, -1] < line.max_starts:
            for step in {0, *begun.tolist()}:
                yield _with(started, option, step, end, 1), stopped
        for step in np.flatnonzero(np.diff(stopped[option], prepend=0)):
            yield started, _with(stopped, option, int(step), end, -1)
        yield started, _with(stopped, option, 0, end, 1)


def _with(counts: Steps, option: int, first: int, end: int, more: int) -> Steps:
    """The cumulative counts with so many more from `first` until `end`."""
    moved = counts.copy()
    moved[option, first:end] += more
    return moved
