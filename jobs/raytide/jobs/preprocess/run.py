"""The preprocess job: files to packed token sequences, all or nothing, and never the same work twice."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.core.units import format_bytes
from raytide.jobs.artefact import exclusive, resumed_folder, sha256_of_json, write_json
from raytide.jobs.code_version import code_version
from raytide.jobs.differences import differences
from raytide.jobs.entry import connected, say
from raytide.jobs.preprocess.adopt import check_tokenizer
from raytide.jobs.preprocess.corpus import Listing, list_files
from raytide.jobs.preprocess.language import known_languages
from raytide.jobs.preprocess.manifest import FILE, manifest, origin, read_manifest
from raytide.jobs.preprocess.sequences import ShardCounts
from raytide.jobs.preprocess.split import HELD_OUT
from raytide.jobs.preprocess.steps import Steps
from raytide.jobs.preprocess.tally import Tally, total
from raytide.jobs.preprocess.work import WORK

_MOST_UNKNOWN: Final = 0.01


def run(spec: PreprocessSpec) -> None:
    """Writes the data set that the spec declares, or finds it there already."""
    output = below_home(spec.output)
    listing = list_files(spec.corpus)
    _check_words(spec)
    made_from = origin(spec, listing)
    with exclusive(output):
        if output.exists():
            _check_same(output, made_from)
            say(f"{output} is up to date; nothing to do.")
        else:
            key = sha256_of_json([made_from, code_version()])
            with connected(), resumed_folder(output, key) as folder:
                _quieten()
                written = _write(Steps(spec, folder), listing, made_from)
                shutil.rmtree(folder / WORK)
                write_json(folder / FILE, written)
            _summarise(written, output)


def _check_words(spec: PreprocessSpec) -> None:
    """Raises at once where a step could not know what the spec names."""
    if spec.tokenizer.existing:
        check_tokenizer(below_home(spec.tokenizer.existing))
    if unknown := sorted(set(spec.quality.languages) - (known_languages() if spec.quality.languages else set())):
        raise RaytideError(
            f"No language {', '.join(unknown)} can be identified; spec.quality.languages takes two letters each, of "
            f"{', '.join(sorted(known_languages()))}."
        )


def _check_same(output: Path, made_from: dict[str, Any]) -> None:
    if not (output / FILE).is_file():
        raise RaytideError(f"{output} is there, and is no output of a preprocess job; choose another spec.output.")
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


def _write(steps: Steps, listing: Listing, made_from: dict[str, Any]) -> dict[str, Any]:
    start = time.monotonic()
    say(f"reading {len(listing.files)} files ({format_bytes(listing.num_bytes)}) from {listing.root}")
    steps.prepare()
    extracted = steps.extract(listing)
    shards, deduplicated = steps.deduplicate(extracted.runs)
    tally = total([extracted.tally, deduplicated])
    _check_split(shards, tally)
    say(f"kept {tally.kept} documents; {_tokenizer(steps.spec)}")
    steps.learn_tokenizer(shards)
    counts = steps.pack(shards)
    _check_known(counts)
    _check_enough(counts, steps.spec.sequence_length)
    return manifest(made_from, listing, tally, counts, steps.folder, time.monotonic() - start)


def _tokenizer(spec: PreprocessSpec) -> str:
    existing, size = spec.tokenizer.existing, spec.tokenizer.vocab_size
    return f"tokenizing with {existing}" if existing else f"learning {size} tokens"


def _check_known(counts: list[ShardCounts]) -> None:
    """Raises where the tokenizer is of another kind of text."""
    tokens, unknown = sum(c["tokens"] for c in counts), sum(c["unknown"] for c in counts)
    if unknown > _MOST_UNKNOWN * tokens:
        raise RaytideError(
            f"The tokenizer does not match the corpus: {unknown} of {tokens} tokens are unknown to it; "
            "choose another spec.tokenizer.existing, or leave it out to learn one."
        )


def _check_split(shards: list[str], tally: Tally) -> None:
    """Raises where a split has no document."""
    if HELD_OUT not in shards or len(shards) < 2:
        raise RaytideError(
            f"The corpus is too small to split ({tally.kept} documents kept, {_dropped(tally) or 'none dropped'}); "
            "add text, or change spec.held_out or spec.seed."
        )


def _check_enough(counts: list[ShardCounts], length: int) -> None:
    held_out = sum(c["sequences"] for c in counts if c["shard"] == HELD_OUT)
    train = sum(c["sequences"] for c in counts) - held_out
    if not held_out or not train:
        raise RaytideError(
            f"The corpus gives {train} training and {held_out} held-out sequences of {length} tokens; "
            "add text, or lower spec.sequence_length."
        )


def _dropped(tally: Tally) -> str:
    """`3 too_short (first a.py: 12 characters), 1 undecodable (first …)`."""
    return ", ".join(
        f"{count} {reason.name} (first {tally.examples[reason][0]})" for reason, count in sorted(tally.dropped.items())
    )


def _summarise(written: dict[str, Any], output: Path) -> None:
    dropped = ", ".join(f"{count} {reason}" for reason, count in written["documents"]["dropped"].items())
    say(f"kept {written['documents']['kept']} documents; dropped: {dropped or 'none'}")
    for name, split in written["splits"].items():
        say(f"{name}: {split['tokens']} tokens in {split['sequences']} sequences")
    say(f"data {written['data_hash'][:12]} in {output} ({written['wall_s']} s)")
