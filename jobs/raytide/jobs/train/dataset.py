"""Packed sequences from a preprocess job's Parquet shards."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from raytide.core.errors import RaytideError

Sequences: TypeAlias = npt.NDArray[np.int32]


def load_sequences(data: Path) -> Sequences:
    """All training sequences, one per row, in the order of the shards; four bytes of memory per token.

    Raises:
        RaytideError: A shard is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = sorted((data / "sequences").glob("train-*.parquet"))
    try:
        columns = [pq.read_table(shard)["tokens"] for shard in shards]
    except (OSError, pa.ArrowInvalid) as error:
        raise RaytideError(
            f"The data in {data} is damaged ({error}); delete it and run the preprocess job again."
        ) from error
    return np.concatenate([_rows(column) for column in columns])


def _rows(column: object) -> Sequences:
    chunk = column.combine_chunks()  # type: ignore[attr-defined]
    return np.asarray(chunk.flatten(), dtype=np.int32).reshape(len(chunk), -1)
