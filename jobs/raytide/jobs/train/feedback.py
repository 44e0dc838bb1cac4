"""Preferences as they lie there: a file, or a folder of exported feedback, whose manifest says where it was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from raytide.core.errors import RaytideError
from raytide.jobs.artefact import sha256_of_file
from raytide.jobs.json_file import read_object

_FILE: Final = "preferences.jsonl"
_MANIFEST: Final = "manifest.json"


class Feedback(NamedTuple):
    """What a run's preferences are read from."""

    sha256: str
    """Of the file."""
    manifest: Mapping[str, Any] | None
    """Service, counts and time of an export; None for a file alone."""


def file_of(path: Path) -> Path:
    """The file of preferences that a path names."""
    return path / _FILE if path.is_dir() else path


def find_feedback(path: Path) -> Feedback:
    """What is at a path.

    Raises:
        RaytideError: There are no preferences, or others than the manifest beside them describes.
    """
    file = file_of(path)
    if not file.is_file():
        raise RaytideError(f"No preferences in {file}; correct spec.preferences.file.")
    sha256 = sha256_of_file(file)
    manifest = read_object(path / _MANIFEST) if path.is_dir() else None
    if manifest is not None and (manifest.get("kind"), manifest.get("data_hash")) != ("preferences", sha256):
        raise RaytideError(
            f"{path / _MANIFEST} describes other data than {file}; export the feedback again, or name the file itself "
            "in spec.preferences.file."
        )
    return Feedback(sha256, manifest)
