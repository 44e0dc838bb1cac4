"""What a preprocessing made, from what, and with which code: the head of every lineage."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from raytide.core.errors import RaytideError
from raytide.core.spec.job import PreprocessSpec
from raytide.jobs.artefact import sha256_of_file, sha256_of_json
from raytide.jobs.code_version import code_version
from raytide.jobs.preprocess.corpus import Listing
from raytide.jobs.preprocess.sequences import ShardCounts
from raytide.jobs.preprocess.split import HELD_OUT

FILE = "manifest.json"


def origin(spec: PreprocessSpec, listing: Listing) -> dict[str, Any]:
    """What decides the result: where this and the code are equal, so are all bytes."""
    return {**spec.model_dump(mode="json", exclude={"output"}), "corpus_fingerprint": listing.fingerprint}


def manifest(
    made_from: dict[str, Any],
    listing: Listing,
    outcome: Counter[str],
    shards: Iterable[ShardCounts],
    folder: Path,
    wall_s: float,
) -> dict[str, Any]:
    """The content of `manifest.json` for the files in `folder`."""
    sha256 = {str(file.relative_to(folder)): sha256_of_file(file) for file in sorted(folder.rglob("*.*"))}
    return {
        "data_hash": sha256_of_json(sha256),
        "made_from": made_from,
        "corpus": {"root": listing.root, "files": len(listing.files), "bytes": listing.num_bytes},
        "documents": {"kept": outcome["kept"], "dropped": _dropped(outcome)},
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
    try:
        content: dict[str, Any] = json.loads((folder / FILE).read_text())
    except FileNotFoundError as error:
        raise RaytideError(
            f"No preprocessed data in {folder}; run a preprocess job with this output first, or correct spec.data."
        ) from error
    return content


def _dropped(outcome: Counter[str]) -> dict[str, int]:
    return {reason: count for reason, count in sorted(outcome.items()) if reason != "kept"}


def _splits(shards: Iterable[ShardCounts]) -> dict[str, dict[str, int]]:
    splits: dict[str, Counter[str]] = {"train": Counter(), "held_out": Counter()}
    for counts in shards:
        split = splits["held_out" if counts["shard"] == HELD_OUT else "train"]
        split.update(documents=counts["documents"], bytes=counts["bytes"])
        split.update(tokens=counts["tokens"], sequences=counts["sequences"])
    return {name: dict(split) for name, split in splits.items()}
