"""Rows of a file as columns, fast; where one does not parse, the error names its line.

Arrow reads the columns in one pass. Only a file that it refuses is read a second time, row by row, to find the place.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.trace import TraceError

Columns = Mapping[str, NDArray[Any]]


class Kind(StrEnum):
    """What a column holds, in words for its reader."""

    NUMBER = "a number"
    TOKENS = "a whole number of tokens"
    NAME = "a name"
    TIMESTAMP = "a timestamp such as 2023-11-16 18:17:03.9799600"


def open_text(path: Path) -> IO[str]:
    """The file's text, unpacked where its name ends in `.gz`."""
    opened = gzip.open if path.suffix == ".gz" else open
    return opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="")


def read_columns(path: Path, kinds: Mapping[str, Kind]) -> Columns:
    """The named columns of a CSV file with a header: floats, whole numbers, names, or nanoseconds of a timestamp.

    Raises:
        TraceError: a row does not parse.
    """
    import pyarrow as pa

    try:
        return _arrow(path, kinds, pa.timestamp("ns"))
    except pa.ArrowInvalid:
        pass
    try:
        return _arrow(path, kinds, pa.timestamp("ns", tz="UTC"))
    except pa.ArrowInvalid as error:
        raise _first_bad_row(path, kinds) or TraceError(f"{path}: {error}") from error


def csv_line(path: Path) -> Callable[[int], int]:
    """The function from a row's index (0 is the first below the header) to its line in the file."""

    def line(row: int) -> int:
        return next(number for index, (number, _) in enumerate(_rows(path)) if index == row + 1)

    return line


def _arrow(path: Path, kinds: Mapping[str, Kind], timestamp: Any) -> Columns:
    import pyarrow as pa
    from pyarrow import csv as arrow

    types = {Kind.NUMBER: pa.float64(), Kind.TOKENS: pa.int64(), Kind.NAME: pa.string(), Kind.TIMESTAMP: timestamp}
    options = arrow.ConvertOptions(
        column_types={name: types[kind] for name, kind in kinds.items()},
        include_columns=list(kinds),
        null_values=[],  # an empty cell is a mistake, not a missing value
    )
    with pa.input_stream(str(path), compression="gzip" if path.suffix == ".gz" else None) as stream:
        table = arrow.read_csv(stream, convert_options=options)
    return {name: _plain(table[name].to_numpy()) for name in kinds}


def _plain(column: NDArray[Any]) -> NDArray[Any]:
    return column.astype(np.int64) if column.dtype.kind == "M" else column


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not empty, the header included."""
    with open_text(path) as file:
        reader = csv.reader(file)
        yield from ((reader.line_num, row) for row in reader if row)


def _first_bad_row(path: Path, kinds: Mapping[str, Kind]) -> TraceError | None:
    rows = _rows(path)
    _, header = next(rows)
    zoned: set[bool] = set()
    for line, row in rows:
        if len(row) != len(header):
            return TraceError(
                f"{path}:{line}: the row has {len(row)} cells, the header {len(header)}; complete the row"
            )
        for name, kind in kinds.items():
            cell = row[header.index(name)]
            if not _parses(cell, kind):
                return TraceError(f"{path}:{line}: {name} is {cell!r}; write {kind}, or remove the row")
            if kind is Kind.TIMESTAMP:
                zoned.add(datetime.fromisoformat(cell).tzinfo is not None)
        if len(zoned) > 1:
            return TraceError(f"{path}:{line}: timestamps with and without a time zone; write all of them one way")
    return None


def _parses(cell: str, kind: Kind) -> bool:
    if kind is Kind.NAME:
        return True
    if kind is Kind.TOKENS:
        return re.fullmatch(r"-?[0-9]{1,18}", cell) is not None
    try:
        return math.isfinite(float(cell)) if kind is Kind.NUMBER else bool(datetime.fromisoformat(cell))
    except ValueError:
        return False
