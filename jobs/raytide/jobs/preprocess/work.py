"""Steps whose results lie in files, so that a killed job goes on where it was.

An item's result is a JSON receipt that is written last, by rename, by the task that did the work. Who starts again
submits the items without a receipt, and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from raytide.jobs.artefact import write_json

WORK: Final = "work"
"""The folder, in the output, of what only the steps need: it is gone when the output is whole."""
Item = TypeVar("Item")
_MOST_BLOCKS = 1000
"""Ray Data keeps a few kB per block on the driver; items beyond share blocks."""


def done(items: Sequence[Item], name_of: Callable[[Item], str], work: Path, task: Callable[[Item], Any]) -> list[Any]:
    """What `task` returned for each item, now or before the job was killed: JSON values, in order.

    Tasks run on the cluster of this process, by Ray Data, which repeats those whose worker or node dies.
    """
    receipts = [work / f"{name_of(item)}.json" for item in items]
    missing = [pair for pair in zip(items, receipts, strict=True) if not pair[1].exists()]
    if missing:
        _run(missing, task)
    return [json.loads(receipt.read_text()) for receipt in receipts]


def _run(missing: list[tuple[Item, Path]], task: Callable[[Item], Any]) -> None:
    import ray.data

    def run(row: dict[str, int]) -> dict[str, int]:
        item, receipt = missing[row["item"]]
        write_json(receipt, task(item))
        return row

    rows = ray.data.from_items(
        [{"item": number} for number in range(len(missing))], override_num_blocks=min(len(missing), _MOST_BLOCKS)
    )
    for _ in rows.map(run).iter_rows():
        pass
