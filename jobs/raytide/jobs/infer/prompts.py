"""The prompts of a data set in shards: neighbouring rows of one file, so that each is read, answered and kept alone."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.jobs.artefact import sha256_of_file, sha256_of_json
from raytide.jobs.json_file import json_value

_PARQUET: Final = ".parquet"
_LINES: Final = ".jsonl"
_BATCH_ROWS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Rows `start` to `start + rows` of a file."""

    number: int
    """Counts from 0 over all files."""
    file: Path
    start: int
    rows: int
    first: int
    """Number of its first row among all rows of the data set."""

    @property
    def name(self) -> str:
        """Of the file that holds its answers."""
        return f"shard-{self.number:06d}.parquet"


def input_files(source: Path) -> tuple[Path, ...]:
    """The file, or the files of a folder in order of their names.

    Raises:
        RaytideError: There is none.
    """
    found = [source] if source.is_file() else sorted(source.iterdir()) if source.is_dir() else []
    files = tuple(file for file in found if file.suffix in (_PARQUET, _LINES) and file.is_file())
    if not files:
        raise RaytideError(f"No .parquet or .jsonl file in {source}; correct spec.input.")
    return files


def fingerprint(files: tuple[Path, ...]) -> str:
    """A hash of the contents, in their order."""
    return sha256_of_json([sha256_of_file(file) for file in files])


def shards_of(files: tuple[Path, ...], rows_per_shard: int) -> tuple[Shard, ...]:
    """All rows of the files, in order.

    Raises:
        RaytideError: A file cannot be read, or all are empty.
    """
    shards: list[Shard] = []
    first = 0
    for file in files:
        total = _num_rows(file)
        for start in range(0, total, rows_per_shard):
            rows = min(rows_per_shard, total - start)
            shards.append(Shard(number=len(shards), file=file, start=start, rows=rows, first=first + start))
        first += total
    if not shards:
        raise RaytideError(f"{files[0].parent} holds no row; correct spec.input.")
    return tuple(shards)


def prompts_of(shard: Shard, field: str) -> list[dict[str, Any]]:
    """`{shard, row, prompt}` of each row.

    Raises:
        RaytideError: A row has no text in that field, or rows are gone since they were counted.
    """
    rows = _parquet(shard, field) if shard.file.suffix == _PARQUET else _lines(shard, field)
    found = list(rows)
    if len(found) < shard.rows:
        raise RaytideError(f"{shard.file} has lost rows since the job began; submit it again.")
    for at, prompt in enumerate(found):
        if not isinstance(prompt, str) or not prompt:
            raise RaytideError(
                f"{shard.file}: row {shard.start + at + 1} has no text in {field!r}; correct it, or spec.field."
            )
    return [{"shard": shard.number, "row": shard.first + at, "prompt": prompt} for at, prompt in enumerate(found)]


def _num_rows(file: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if file.suffix == _PARQUET:
            return int(pq.ParquetFile(file).metadata.num_rows)
        with file.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except (OSError, pa.ArrowInvalid) as error:
        raise RaytideError(f"{file} cannot be read ({error}); correct spec.input.") from error


def _parquet(shard: Shard, field: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(shard.file) as file:
        if field not in file.schema_arrow.names:
            known = ", ".join(file.schema_arrow.names)
            raise RaytideError(f"{shard.file} has no column {field!r}, but {known}; correct spec.field.")
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=[field])
        values = (value for batch in batches for value in batch.column(0).to_pylist())
        yield from islice(values, shard.start, shard.start + shard.rows)


def _lines(shard: Shard, field: str) -> Iterator[Any]:
    # As bytes, like `_num_rows`: text has other line ends and other blanks, and shards would be of other lines.
    with shard.file.open("rb") as file:
        for line in islice((line for line in file if line.strip()), shard.start, shard.start + shard.rows):
            row = json_value(line.removeprefix(BOM_UTF8))
            yield row.get(field) if isinstance(row, dict) else None
