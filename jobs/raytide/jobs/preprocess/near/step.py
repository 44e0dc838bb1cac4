"""The near-duplicates of all runs, found by many tasks: which rows of each run go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from raytide.core.spec.preprocess import NearDuplicates
from raytide.jobs.preprocess.near.candidates import ROWS_AT_ONCE, Pairs, Slice, similar_pairs, slices
from raytide.jobs.preprocess.near.clusters import removed
from raytide.jobs.preprocess.run_files import Run
from raytide.jobs.preprocess.work import done


@dataclass(frozen=True, slots=True)
class _Share:
    index: int
    parts: tuple[Slice, ...]


def find_near_duplicates(runs: Sequence[Run], spec: NearDuplicates, folder: Path, work: Path) -> None:
    """Writes `NAME.gone.npy` for each run into `work`: its rows that go, sorted."""
    stems = [folder / run.name for run in runs]

    def compare(share: _Share) -> int:
        pairs = np.concatenate([similar_pairs(stems, part, spec.similarity) for part in share.parts])
        _save(work / f"pairs-{share.index:05d}.npy", np.unique(pairs, axis=0))
        return len(pairs)

    def choose(_: str) -> dict[str, Any]:
        gone = removed(_saved(work), stems)
        for run, rows in zip(runs, gone, strict=True):
            _save(work / f"{run.name}.gone.npy", rows)
        return {"near_duplicates": sum(map(len, gone))}

    shares = _shares(sum(run.num_documents for run in runs), spec.bands)
    done(shares, lambda share: f"pairs-{share.index:05d}", work, compare)
    done(["gone"], str, work, choose)


def _shares(num_documents: int, bands: int) -> list[_Share]:
    """As many slices in a task as together have no more documents than one slice may have."""
    parts = slices(num_documents, bands)
    size = max(1, ROWS_AT_ONCE // max(1, num_documents))
    size = min(size, -(-len(parts) // 4))  # some for each worker of a small cluster
    return [_Share(index, tuple(parts[at : at + size])) for index, at in enumerate(range(0, len(parts), size))]


def _save(target: Path, content: Any) -> None:
    partial = target.with_name(f".{target.name}")
    np.save(partial, content)
    partial.rename(target)


def _saved(work: Path) -> Iterator[Pairs]:
    for path in sorted(work.glob("pairs-*.npy")):
        yield np.load(path)
