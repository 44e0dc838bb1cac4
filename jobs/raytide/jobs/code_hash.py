"""What of this code a job runs, as one hash: a change elsewhere makes no result stale."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

_ROOM: Final = "raytide.jobs"
_FOLDER: Final = Path(__file__).parent


@cache
def code_hash(module: str) -> str:
    """SHA-256 over a module of this room and every other one of it that is imported on the way, lazily or not.

    Not for libraries, nor for what a spec's values say already (`raytide.core`): a new version of torch changes nothing
    here.
    """
    files = dict(_reached(module))
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\n".encode() + files[name])
    return digest.hexdigest()


def _reached(module: str) -> Iterator[tuple[str, bytes]]:
    """The source of each module, by name."""
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        if file := _file(name):
            source = file.read_bytes()
            yield name, source
            ahead += _imports(source)


def _file(name: str) -> Path | None:
    """None for what is no module of the room but a name in one."""
    path = _FOLDER.joinpath(*name.split(".")[2:])
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _imports(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_ours(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and _is_ours(node.module):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_ours(module: str) -> bool:
    return f"{module}.".startswith(f"{_ROOM}.")
