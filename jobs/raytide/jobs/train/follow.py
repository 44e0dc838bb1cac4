"""A run's metrics and events on the terminal and in MLflow, as they are written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

from raytide.jobs.entry import say
from raytide.jobs.train.events import read_events
from raytide.jobs.train.metrics import StepMetrics, read_metrics
from raytide.jobs.train.tracked import Tracked

_TRACK_EVERY_S: Final = 60.0


@contextmanager
def followed(run: Path, steps: int, tracked: Tracked) -> Iterator[None]:
    """Prints and tracks new entries while the block runs.

    The files are on storage that all nodes share, as checkpoints are.
    """
    over = Event()
    thread = Thread(target=_follow, args=(run, steps, tracked, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(run: Path, steps: int, tracked: Tracked, over: Event) -> None:
    shown, told, next_track_s = _reached(read_metrics(run)), len(read_events(run)), time.monotonic() + _TRACK_EVERY_S
    while True:
        last_look = over.wait(1.0)
        entries, events = read_metrics(run), read_events(run)
        for event in events[told:]:
            say(event["says"])
        told = len(events)
        if _reached(entries) < shown:
            say(f"going on from step {_reached(entries)}")
        for entry in entries:
            if entry["step"] > shown:
                say(_line(entry, steps))
        shown = _reached(entries)
        if last_look or time.monotonic() >= next_track_s:
            tracked.show(entries)
            next_track_s = time.monotonic() + _TRACK_EVERY_S
        if last_look:
            return


def _reached(entries: list[StepMetrics]) -> int:
    return entries[-1]["step"] if entries else 0


def _line(entry: StepMetrics, steps: int) -> str:
    prefers = ""
    if "reward_accuracy" in entry:
        prefers = f"margin {entry['reward_margin']:.2f}, accuracy {entry['reward_accuracy']:.0%}, "
    return (
        f"step {entry['step']} of {steps}: loss {entry['loss']:.3f}, {prefers}rate {entry['learning_rate']:.2e}, "
        f"gradient norm {entry['gradient_norm']:.2f}, {entry['tokens_per_s']:.0f} tokens/s"
    )
