"""JSON in files that other programs and people write: an object, or one value a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from raytide.core.errors import Finding, RaytideError, SpecError

Row = TypeVar("Row")
_SHOWN: Final = 10


def read_object(file: Path) -> dict[str, Any] | None:
    """The object in a file; None where there is no such file.

    Raises:
        RaytideError: The file holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as error:
        raise RaytideError(f"{file} is damaged ({error}); make it again, or name another folder.") from error
    if not isinstance(content, dict):
        raise RaytideError(f"{file} holds no JSON object; make it again, or name another folder.")
    return content


def json_value(line: str | bytes) -> Any:
    """The JSON value of a line; None where it is none."""
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None


def read_rows(file: Path, row: Callable[[Any], Row | None], *, named: str, what: str, expected: str) -> list[Row]:
    """What `row` makes of each line; empty lines are passed over.

    `named` is where the file is written in the job, `what` a line should hold, and `expected` how that looks.

    Raises:
        RaytideError: There is no such file, or nothing in it.
        SpecError: Lines of which `row` makes nothing, each with its number; ten at most are said.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RaytideError(f"{file} cannot be read as UTF-8 text ({error}); correct {named}.") from error
    # Not splitlines: a JSON text may hold what Unicode takes for the end of a line.
    rows = [(number, row(json_value(line))) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    wrong = [number for number, found in rows if found is None]
    if wrong:
        raise SpecError(tuple(_finding(file, number, what, expected) for number in wrong[:_SHOWN]))
    if not rows:
        raise RaytideError(f"{file} is empty; write one {what} a line: {expected}.")
    return [found for _, found in rows if found is not None]


def _finding(file: Path, line: int, what: str, expected: str) -> Finding:
    return Finding(file=str(file), line=line, column=1, path="", problem=f"no {what}", expected=expected)
