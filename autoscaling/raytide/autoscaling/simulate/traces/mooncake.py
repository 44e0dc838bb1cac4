"""The traces of Mooncake: JSON lines whose prompts are named by blocks of 512 tokens, so that shared prefixes show.

Source: github.com/kvcache-ai/Mooncake, FAST25-release/traces, Apache-2.0.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.simulate.traces.checked import checked
from raytide.autoscaling.simulate.traces.rows import open_text
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError

KEYS: Final = ("timestamp", "input_length", "output_length", "hash_ids")
BLOCK_TOKENS: Final = 512
PREFIX_CACHE_TOKENS: Final = 270_000
"""What one replica of Qwen3-32B on two H100 has room for beside its weights."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    timestamp_ms: float
    prompt_tokens: int
    output_tokens: int
    blocks: tuple[int, ...]


def read_mooncake(path: Path, prefix_cache_tokens: int) -> Trace:
    """The trace in a Mooncake file, with the tokens that one prefix cache of this size would have held."""
    rows = list(_rows(path))
    hits = prefix_hits((row.blocks for row in rows), prefix_cache_tokens // BLOCK_TOKENS)
    cached_tokens = np.fromiter(hits, np.int64, len(rows)) * BLOCK_TOKENS
    milliseconds = _column(rows, "timestamp_ms", np.float64)
    return checked(
        path,
        lambda row: rows[row].line,
        (milliseconds - milliseconds[:1]) / 1e3,
        _column(rows, "prompt_tokens", np.int64),
        _column(rows, "output_tokens", np.int64),
        cached_tokens,
    )


def prefix_hits(prompts: Iterable[tuple[int, ...]], capacity_blocks: int) -> Iterator[int]:
    """Leading blocks of each prompt that a least-recently-used cache still held when it came."""
    held: OrderedDict[int, None] = OrderedDict()
    for blocks in prompts:
        yield next((i for i, block in enumerate(blocks) if block not in held), len(blocks))
        # The end of a prompt goes first: without its beginning a block is never a prefix again.
        for block in reversed(blocks):
            held[block] = None
            held.move_to_end(block)
        while len(held) > capacity_blocks:
            held.popitem(last=False)


def _column(rows: list[_Row], field: str, dtype: type) -> NDArray[Any]:
    return np.array([getattr(row, field) for row in rows], dtype=dtype)


def _rows(path: Path) -> Iterator[_Row]:
    with open_text(path) as file:
        for line, text in enumerate(file, start=1):
            if text.strip():
                yield _row(path, line, text)


def _row(path: Path, line: int, text: str) -> _Row:
    try:
        values = json.loads(text)
        timestamp, prompt, output, blocks = (values[key] for key in KEYS)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TraceError(f"{path}:{line}: no JSON object with {', '.join(KEYS)}; complete or remove the row") from error
    if not (_is_whole(prompt) and _is_whole(output) and _is_number(timestamp) and _are_blocks(blocks)):
        raise TraceError(
            f"{path}:{line}: expected numbers in timestamp, input_length and output_length and a list of whole numbers "
            "in hash_ids; correct or remove the row"
        )
    return _Row(line, timestamp, prompt, output, tuple(blocks))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _are_blocks(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_whole, value))
