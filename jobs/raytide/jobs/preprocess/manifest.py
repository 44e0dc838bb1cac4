"""What a preprocessing made, from what, and with which code: the head of every lineage."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.jobs.artefact import sha256_of_file, sha256_of_json
from raytide.jobs.code_version import code_version
from raytide.jobs.json_file import read_object
from raytide.jobs.preprocess.contamination import evaluation_sets
from raytide.jobs.preprocess.corpus import Listing
from raytide.jobs.preprocess.sequences import ShardCounts
from raytide.jobs.preprocess.split import HELD_OUT
from raytide.jobs.preprocess.tally import Tally, report
from raytide.jobs.preprocess.work import WORK

FILE = "manifest.json"


def origin(spec: PreprocessSpec, listing: Listing) -> dict[str, Any]:
    """What decides the result: where this and the code are equal, so are all bytes."""
    made_from = {**spec.model_dump(mode="json", exclude={"output"}), "corpus_fingerprint": listing.fingerprint}
    if spec.tokenizer.existing:
        made_from["tokenizer_sha256"] = sha256_of_file(below_home(spec.tokenizer.existing) / "tokenizer.json")
    if spec.decontaminate:
        sets = evaluation_sets(spec.decontaminate, spec.corpus)
        made_from["evaluation_fingerprints"] = [listing.fingerprint for listing in sets]
    return made_from


def manifest(
    made_from: dict[str, Any],
    listing: Listing,
    tally: Tally,
    shards: Iterable[ShardCounts],
    folder: Path,
    wall_s: float,
) -> dict[str, Any]:
    """The content of `manifest.json` for the files in `folder`."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*.*"))}
    sha256 = {name: sha256_of_file(file) for name, file in files.items() if not name.startswith(f"{WORK}/")}
    return {
        "data_hash": sha256_of_json(sha256),
        "made_from": made_from,
        "corpus": {"root": listing.root, "files": len(listing.files), "bytes": listing.num_bytes},
        "documents": {"kept": tally.kept, "dropped": _dropped(tally)},
        "steps": report(tally),
        "scrubbed": dict(sorted(tally.scrubbed.items())),
        "splits": _splits(shards),
        "sha256": sha256,
        "code_version": code_version(),
        "python": platform.python_version(),
        "ray": version("ray"),
        "wall_s": round(wall_s, 1),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a preprocessing.

    Raises:
        RaytideError: The folder is no output of a preprocess job.
    """
    content = read_object(folder / FILE)
    if content is None or not content.keys() >= {"data_hash", "made_from"}:
        raise RaytideError(
            f"No preprocessed data in {folder}; run a preprocess job with this output first, or correct spec.data."
        )
    return content


def _dropped(tally: Tally) -> dict[str, int]:
    return {reason.name: count for reason, count in sorted(tally.dropped.items(), key=lambda entry: entry[0].name)}


def _splits(shards: Iterable[ShardCounts]) -> dict[str, dict[str, int]]:
    splits: dict[str, Counter[str]] = {"train": Counter(), "held_out": Counter()}
    for counts in shards:
        split = splits["held_out" if counts["shard"] == HELD_OUT else "train"]
        split.update(documents=counts["documents"], bytes=counts["bytes"])
        split.update(tokens=counts["tokens"], sequences=counts["sequences"], unknown_tokens=counts["unknown"])
    return {name: dict(split) for name, split in splits.items()}
