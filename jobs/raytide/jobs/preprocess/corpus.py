"""The files of a corpus, in one order, from a folder or any fsspec URL."""

from __future__ import annotations

import glob
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.core.home import below_home
from raytide.core.spec.preprocess import Corpus
from raytide.core.url import without_passwords
from raytide.jobs.artefact import sha256_of_json

_NOT_STDLIB: Final = frozenset({"site-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__"})
"""Installed packages, and test trees: fixtures that are broken on purpose, which would be 60 % of the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a corpus holds at this moment."""

    root: str
    """An fsspec URL or absolute path; `files` are relative to it."""
    files: tuple[str, ...]
    sizes: tuple[int, ...]
    """Of each file, in bytes, as it lies there."""
    fingerprint: str
    """Changes when a file comes, goes, or changes in size or time."""

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(self.sizes)


def list_files(corpus: Corpus, named: str = "spec.corpus.source") -> Listing:
    """The files that match, sorted by path; one file where the source is one. `named` is where the source is written.

    Raises:
        RaytideError: The source cannot be read, or nothing in it matches.
    """
    root, wanted = _matching(corpus, named)
    kept = _within(corpus.max_bytes, wanted)
    if not kept:
        raise RaytideError(f"The first file of {root} is larger than spec.corpus.max_bytes; raise that.")
    return Listing(
        root=root,
        files=tuple(path for path, _, _ in kept),
        sizes=tuple(size for _, size, _ in kept),
        fingerprint=sha256_of_json([root, *kept])[:16],
    )


def _matching(corpus: Corpus, named: str) -> tuple[str, list[tuple[str, int, str]]]:
    source = _root(corpus.source)
    try:
        root, found = _found(source, corpus.globs)
    except (OSError, ImportError, ValueError) as error:
        # ImportError and ValueError: a protocol whose package is missing, or that nobody knows.
        refusal = f"The corpus {source} cannot be read ({error}); correct {named}."
        raise RaytideError(without_passwords(refusal)) from error
    wanted = [entry for entry in found if _wanted(entry[0], corpus.source)]
    if not wanted:
        raise RaytideError(
            f"The corpus {root} has no file that matches {', '.join(corpus.globs)}; "
            f"correct {named} or spec.corpus.include."
        )
    return root, wanted


def _root(source: str) -> str:
    if source == "stdlib":
        return sysconfig.get_paths()["stdlib"]
    return source if "://" in source else str(below_home(source))


def _found(source: str, globs: Sequence[str]) -> tuple[str, list[tuple[str, int, str]]]:
    """The folder, and `(relative path, size in bytes, time or version)` of each matching file."""
    from fsspec.core import url_to_fs

    files, top = url_to_fs(source)
    if files.isfile(top):
        source, top, globs = source.rpartition("/")[0], top.rpartition("/")[0], (glob.escape(PurePosixPath(top).name),)
    elif not files.isdir(top):
        raise FileNotFoundError("there is no such file or folder")
    matches: dict[str, Any] = {}
    for pattern in globs:
        matches |= files.glob(f"{glob.escape(top)}/{pattern}", detail=True)
    return source, sorted(
        (path.removeprefix(f"{top}/"), info["size"], _version(info))
        for path, info in matches.items()
        if info["type"] == "file"
    )


def _version(info: dict[str, Any]) -> str:
    """What a file system knows about a file's last change."""
    return str(next((info[key] for key in ("ETag", "mtime", "updated", "LastModified") if key in info), ""))


def _wanted(path: str, source: str) -> bool:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and not (source == "stdlib" and _NOT_STDLIB.intersection(parts))


def _within(max_bytes: int | None, entries: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    total, kept = 0, []
    for entry in entries:
        total += entry[1]
        if max_bytes is not None and total > max_bytes:
            break
        kept.append(entry)
    return kept
