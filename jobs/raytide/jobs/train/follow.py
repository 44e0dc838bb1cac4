"""A run's metrics on the terminal as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from raytide.jobs.entry import say
from raytide.jobs.train.metrics import StepMetrics, read_metrics


@contextmanager
def followed(run: Path, steps: int) -> Iterator[None]:
    """Prints new entries while the block runs. The file is on storage that all nodes share, as the checkpoints are."""
    over = Event()
    thread = Thread(target=_follow, args=(run, steps, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _follow(run: Path, steps: int, over: Event) -> None:
    entries = read_metrics(run)
    shown = entries[-1]["step"] if entries else 0
    while True:
        last_look = over.wait(1.0)
        entries = read_metrics(run)
        reached = entries[-1]["step"] if entries else 0
        if reached < shown:
            say(f"a worker was lost; going on from step {reached}")
        for entry in entries:
            if entry["step"] > shown:
                say(_line(entry, steps))
        shown = reached
        if last_look:
            return


def _line(entry: StepMetrics, steps: int) -> str:
    return (
        f"step {entry['step']} of {steps}: loss {entry['loss']:.3f}, rate {entry['learning_rate']:.2e}, "
        f"gradient norm {entry['gradient_norm']:.2f}, {entry['tokens_per_s']:.0f} tokens/s"
    )
