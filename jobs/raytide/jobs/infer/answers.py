"""Answers as they come, in any order, put together to the files of their shards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from raytide.jobs.infer.prompts import Shard

COLUMNS: Final = ("row", "prompt", "answer", "prompt_tokens", "output_tokens", "error")


@dataclass(slots=True)
class Gathering:
    """What has been answered of shards that are not complete yet."""

    shards: Mapping[int, Shard]
    rows: dict[int, list[Mapping[str, Any]]] = field(default_factory=dict)

    def add(self, answer: Mapping[str, Any]) -> tuple[Shard, list[Mapping[str, Any]]] | None:
        """The shard that this answer completes, with its rows in order; None where some are still to come."""
        shard = self.shards[int(answer["shard"])]
        rows = self.rows.setdefault(shard.number, [])
        rows.append(answer)
        if len(rows) < shard.rows:
            return None
        return shard, sorted(self.rows.pop(shard.number), key=lambda row: int(row["row"]))


def write_answers(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the rows; a reader finds all of them or none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    partial = file.with_name(f".{file.name}.partial")
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in COLUMNS}, schema=_schema()), partial)
    partial.rename(file)


def counted(files: Iterable[Path]) -> dict[str, int]:
    """Rows, rows without an answer, and tokens, over files of answers."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    totals = {"rows": 0, "failed": 0, "prompt_tokens": 0, "output_tokens": 0}
    for file in files:
        table = pq.read_table(file, columns=["prompt_tokens", "output_tokens", "error"])
        totals["rows"] += table.num_rows
        totals["failed"] += table.num_rows - table["error"].null_count
        for name in ("prompt_tokens", "output_tokens"):
            totals[name] += pc.sum(table[name]).as_py() or 0
    return totals


def _schema() -> Any:
    import pyarrow as pa

    types = (pa.int64(), pa.string(), pa.string(), pa.int32(), pa.int32(), pa.string())
    return pa.schema(list(zip(COLUMNS, types, strict=True)))
