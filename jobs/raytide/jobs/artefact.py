"""Writing results so that a reader finds all of them or none: a temporary name in the same folder, then a rename."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raytide.core.errors import RaytideError, RunFailed


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes `target` when the block succeeds, and vanishes when it does not.

    Not for two writers at once: hold `exclusive(target)` around it.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # a writer that was killed leaves one
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def resumed_folder(target: Path, key: str) -> Iterator[Path]:
    """A temporary folder that becomes `target` when the block succeeds, and else waits for the next try.

    It is found again by who makes the same, which `key` says; what was begun for another key is deleted. A block that
    ends with a mistake of the user leaves nothing.

    Not for two writers at once: hold `exclusive(target)` around it.
    """
    partial = target.with_name(f".{target.name}.{hashlib.sha256(key.encode()).hexdigest()[:16]}.partial")
    # Exactly a key: `.data.*` would also match what another job has begun for `data.clean`.
    for other in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 16}.partial"):
        if other != partial:
            shutil.rmtree(other)
    partial.mkdir(exist_ok=True)
    try:
        yield partial
    except RunFailed:
        raise
    except RaytideError:
        shutil.rmtree(partial)
        raise
    partial.rename(target)


def write_text(target: Path, text: str) -> None:
    """`target` holds exactly `text` afterwards; a reader meanwhile sees the old content or the new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as partial:
            partial.write(text)
        Path(name).chmod(0o644)  # mkstemp's 0600 would hide the file from other users of a shared folder
        Path(name).rename(target)
    finally:
        Path(name).unlink(missing_ok=True)


def write_json(target: Path, content: Any) -> None:
    """`target` holds `content` as indented JSON afterwards."""
    write_text(target, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def exclusive(target: Path) -> Iterator[None]:
    """The block runs while no other process writes `target`.

    Raises:
        RaytideError: Another process is writing it, or the folder above cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock").open("w")
    except OSError as error:
        raise RaytideError(f"{target} cannot be written ({error.strerror}); choose another folder.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RaytideError(f"Another job is writing {target}; wait for it, or stop it (ray job list).") from None
        yield


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> str:
    """One SHA-256 over names and bytes of the files in a folder; a hundred gigabytes take a minute or so to read."""
    return sha256_of_json({file.name: sha256_of_file(file) for file in sorted(folder.iterdir()) if file.is_file()})


def sha256_of_json(content: Any) -> str:
    """The SHA-256 of a JSON value, in hex; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
