"""Which folders and files a job reads and writes, by the keys of its spec: they say which step waits for which.

Specs are handled as they were written, because a value that was parsed (`8MB`) cannot be written back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from raytide.core.home import below_home

_WRITES: Final = {"preprocess": "output", "train": "output", "evaluate": "report", "infer": "output"}
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "preprocess": ("corpus.source", "tokenizer.existing", "decontaminate.against.*"),
    "train": ("data", "examples.file", "preferences.file", "start"),
    "evaluate": ("data", "model", "tasks.*.file", "pairwise.file"),
    "infer": ("model", "input"),
}
Written = Mapping[str, Any]
"""`spec` of a job as its file has it."""


def output_of(spec: Written) -> str:
    """What a job writes, as it is written in its spec."""
    return str(spec[_WRITES[spec["task"]]])


def with_output(spec: Written, output: str) -> Written:
    """The job with another place to write to."""
    return {**spec, _WRITES[spec["task"]]: output}


def beside(output: str, key: str) -> str:
    """A place for what is made from other things: `runs/chat-1a2b`, or `reports/chat-1a2b.json`."""
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{key}{path.suffix}" if path.suffix == ".json" else f"{path.name}-{key}"))


def reads(spec: Written) -> Iterator[str]:
    """What a job reads, as it is written in its spec."""
    for pattern in _READS[spec["task"]]:
        yield from _at(spec, pattern.split("."))


def reading(spec: Written, moved: Mapping[str, str]) -> Written:
    """The job that reads from elsewhere what is at, or below, a key of `moved`."""
    for pattern in _READS[spec["task"]]:
        spec = _replaced(spec, pattern.split("."), moved)
    return spec


def is_within(path: str, output: str) -> bool:
    """Whether a path is what a job writes, or below it."""
    return below_home(path).is_relative_to(below_home(output))


def _at(value: Any, keys: list[str]) -> Iterator[str]:
    if not keys:
        if isinstance(value, str):
            yield value
    elif keys[0] == "*":
        for entry in value if isinstance(value, list) else ():
            yield from _at(entry, keys[1:])
    elif isinstance(value, Mapping) and keys[0] in value:
        yield from _at(value[keys[0]], keys[1:])


def _replaced(value: Any, keys: list[str], moved: Mapping[str, str]) -> Any:
    if not keys:
        return _elsewhere(value, moved) if isinstance(value, str) else value
    if keys[0] == "*":
        return [_replaced(entry, keys[1:], moved) for entry in value] if isinstance(value, list) else value
    if isinstance(value, Mapping) and keys[0] in value:
        return {**value, keys[0]: _replaced(value[keys[0]], keys[1:], moved)}
    return value


def _elsewhere(path: str, moved: Mapping[str, str]) -> str:
    for output, new in moved.items():
        if is_within(path, output):
            return str(Path(new) / below_home(path).relative_to(below_home(output)))
    return path
