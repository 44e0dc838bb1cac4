"""The preprocess job: files to packed token sequences, all or nothing."""

from __future__ import annotations

import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.job import PreprocessSpec
from raytide.core.units import format_bytes
from raytide.jobs.artefact import exclusive, new_folder, write_json
from raytide.jobs.differences import differences
from raytide.jobs.entry import connected, say
from raytide.jobs.preprocess.bpe import train_tokenizer
from raytide.jobs.preprocess.corpus import Listing, list_files
from raytide.jobs.preprocess.documents import write_documents
from raytide.jobs.preprocess.manifest import FILE, manifest, origin, read_manifest
from raytide.jobs.preprocess.sequences import ShardCounts, write_sequences
from raytide.jobs.preprocess.split import HELD_OUT


def run(spec: PreprocessSpec) -> None:
    """Writes the data set that the spec declares, or finds it there already."""
    output = below_home(spec.output)
    listing = list_files(spec.corpus)
    with exclusive(output):
        if output.exists():
            _check_same(output, origin(spec, listing))
            say(f"{output} is up to date; nothing to do.")
        else:
            with connected(), new_folder(output) as folder:
                _quieten()
                written = _write(spec, listing, folder)
                write_json(folder / FILE, written)
            _summarise(written, output)


def _check_same(output: Path, made_from: dict[str, Any]) -> None:
    changed = differences(read_manifest(output)["made_from"], made_from)
    if changed:
        raise RaytideError(
            f"{output} was made from something else ({changed}); choose another spec.output, or delete that folder."
        )


def _quieten() -> None:
    """Ray Data prints a page every ten seconds, and the trace of an error four times; this job says it in a line."""
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    ray.data.DataContext.get_current().enable_progress_bars = False


def _write(spec: PreprocessSpec, listing: Listing, folder: Path) -> dict[str, Any]:
    start = time.monotonic()
    say(f"reading {len(listing.files)} files ({format_bytes(listing.num_bytes)}) from {listing.root}")
    outcome = write_documents(listing, spec, folder / "documents")
    shards = _shards(folder / "documents", outcome)
    say(f"kept {outcome['kept']} documents; learning {spec.tokenizer.vocab_size} tokens")
    _learn_tokenizer(spec, folder, [shard for shard in shards if shard != HELD_OUT])
    counts = []
    for shard in write_sequences(shards, folder, spec.sequence_length):
        counts.append(shard)
        say(f"shard {len(counts)} of {len(shards)}: {shard['shard']} has {shard['sequences']} sequences")
    _check_enough(counts, spec.sequence_length)
    return manifest(origin(spec, listing), listing, outcome, counts, folder, time.monotonic() - start)


def _shards(documents: Path, outcome: Counter[str]) -> list[str]:
    """The shards that got documents.

    Raises:
        RaytideError: A split has none.
    """
    shards = sorted(file.stem for file in documents.glob("*.parquet"))
    if HELD_OUT not in shards or len(shards) < 2:
        fate = ", ".join(f"{count} {reason}" for reason, count in sorted(outcome.items()))
        raise RaytideError(
            f"The corpus is too small to split (files: {fate}); add text, or change spec.held_out or spec.seed."
        )
    return shards


def _learn_tokenizer(spec: PreprocessSpec, folder: Path, shards: list[str]) -> None:
    import ray

    files = [folder / "documents" / f"{shard}.parquet" for shard in shards]
    task = ray.remote(num_cpus=1)(train_tokenizer)
    ray.get(task.remote(files, spec.tokenizer, spec.sequence_length, folder / "tokenizer"))


def _check_enough(counts: list[ShardCounts], length: int) -> None:
    held_out = sum(c["sequences"] for c in counts if c["shard"] == HELD_OUT)
    train = sum(c["sequences"] for c in counts) - held_out
    if not held_out or not train:
        raise RaytideError(
            f"The corpus gives {train} training and {held_out} held-out sequences of {length} tokens; "
            "add text, or lower spec.sequence_length."
        )


def _summarise(written: dict[str, Any], output: Path) -> None:
    dropped = ", ".join(f"{count} {reason}" for reason, count in written["documents"]["dropped"].items())
    say(f"kept {written['documents']['kept']} documents; dropped: {dropped or 'none'}")
    for name, split in written["splits"].items():
        say(f"{name}: {split['tokens']} tokens in {split['sequences']} sequences")
    say(f"data {written['data_hash'][:12]} in {output} ({written['wall_s']} s)")
