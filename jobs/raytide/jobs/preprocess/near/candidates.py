"""Which documents are almost the same: those that agree in a whole band and in enough of their signatures.

The signatures of all documents lie in files, one per run, beside the sorted keys of each band; a slice of one band is
all that is in memory. Document ids are `run << 32 | row`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from raytide.core.spec.preprocess import NearDuplicates
from raytide.jobs.preprocess.near.minhash import Signatures, band_keys, signatures, similarity

Ids: TypeAlias = npt.NDArray[np.uint64]
Pairs: TypeAlias = npt.NDArray[np.uint64]
"""`[pairs, 2]` of document ids."""

ROWS_AT_ONCE: Final = 1 << 20
_PAIRS_AT_ONCE: Final = 1 << 14
_ROW_BITS: Final = np.uint64(32)
_ROW: Final = np.uint64((1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class Slice:
    """One share of one band's keys."""

    band: int
    share: int
    of: int


def slices(num_documents: int, bands: int) -> list[Slice]:
    """What is compared at once, so that memory does not grow with the corpus."""
    shares = max(1, -(-num_documents // ROWS_AT_ONCE))
    return [Slice(band, share, shares) for band in range(bands) for share in range(shares)]


def write_signatures(stem: Path, texts: Sequence[str], ranks: Sequence[str], spec: NearDuplicates) -> None:
    """Writes what a run's documents are compared by."""
    found, has = signatures(texts, spec)
    rows = np.flatnonzero(has).astype(np.uint32)
    keys = band_keys(found[rows], spec)
    order = np.argsort(keys, axis=1, kind="stable")
    np.save(f"{stem}.signatures.npy", found)
    np.save(f"{stem}.ranks.npy", np.array([int(rank[:16], 16) for rank in ranks], np.uint64))
    np.save(f"{stem}.keys.npy", np.take_along_axis(keys, order, axis=1))
    np.save(f"{stem}.rows.npy", rows[order])


def similar_pairs(runs: Sequence[Path], part: Slice, at_least: float) -> Pairs:
    """The pairs of a slice that are similar enough; of a group of equal keys each is compared with two others.

    With the document of the least rank, which stays if they are similar, and with the one before it in that order.
    """
    keys, ids = _entries(runs, part)
    first, previous, this = _neighbours(keys, ids, runs)
    pairs = np.concatenate([np.stack([first, this], 1), np.stack([previous, this], 1)])
    pairs = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    kept = [chunk[_similarity(chunk, runs) >= at_least] for chunk in _chunks(pairs)]
    return np.concatenate(kept) if kept else np.zeros((0, 2), np.uint64)


def ranks_of(ids: Ids, runs: Sequence[Path]) -> npt.NDArray[np.uint64]:
    """The first 64 bits of each document's rank."""
    ranks = np.zeros(len(ids), np.uint64)
    for run, at in _by_run(ids):
        ranks[at] = np.load(f"{runs[run]}.ranks.npy", mmap_mode="r")[ids[at] & _ROW]
    return ranks


def run_and_row(ids: Ids) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Where documents lie."""
    return ids >> _ROW_BITS, ids & _ROW


def _entries(runs: Sequence[Path], part: Slice) -> tuple[npt.NDArray[np.uint64], Ids]:
    least, beyond = (share * 2**64 // part.of for share in (part.share, part.share + 1))
    keys, ids = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
    for run, stem in enumerate(runs):
        band = np.load(f"{stem}.keys.npy", mmap_mode="r")[part.band]
        low = int(np.searchsorted(band, np.uint64(least)))
        high = int(np.searchsorted(band, np.uint64(beyond))) if beyond < 2**64 else len(band)
        rows = np.load(f"{stem}.rows.npy", mmap_mode="r")[part.band, low:high]
        keys.append(band[low:high])
        ids.append(rows.astype(np.uint64) | np.uint64(run) << _ROW_BITS)
    return np.concatenate(keys), np.concatenate(ids)


def _neighbours(keys: npt.NDArray[np.uint64], ids: Ids, runs: Sequence[Path]) -> tuple[Ids, Ids, Ids]:
    """Of documents that share their key with others: the first of them, the one before, and itself."""
    order = np.argsort(keys, kind="stable")
    keys, ids = keys[order], ids[order]
    again = np.zeros(len(keys), np.bool_)
    again[1:] = keys[1:] == keys[:-1]
    grouped = again.copy()
    grouped[:-1] |= again[1:]
    keys, ids = keys[grouped], ids[grouped]
    order = np.lexsort((ids, ranks_of(ids, runs), keys))
    keys, ids = keys[order], ids[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = keys[1:] != keys[:-1]
    first = ids[np.maximum.accumulate(np.where(new, np.arange(len(ids)), 0))]
    return first, np.where(new, ids, np.roll(ids, 1)), ids


def _similarity(pairs: Pairs, runs: Sequence[Path]) -> npt.NDArray[np.float64]:
    return similarity(_signatures(pairs[:, 0], runs), _signatures(pairs[:, 1], runs))


def _signatures(ids: Ids, runs: Sequence[Path]) -> Signatures:
    stored = {run: np.load(f"{runs[run]}.signatures.npy", mmap_mode="r") for run, _ in _by_run(ids)}
    found = np.zeros((len(ids), next(iter(stored.values())).shape[1]), np.uint32)
    for run, at in _by_run(ids):
        found[at] = stored[run][ids[at] & _ROW]
    return found


def _by_run(ids: Ids) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    of = ids >> _ROW_BITS
    for run in np.unique(of):
        yield int(run), np.flatnonzero(of == run)


def _chunks(pairs: Pairs) -> Iterator[Pairs]:
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        yield pairs[start : start + _PAIRS_AT_ONCE]
