"""Which reader a file wants, told by its header and not by its name."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from raytide.autoscaling.simulate.traces import azure, burstgpt, mooncake, plain, rates, servegen
from raytide.autoscaling.simulate.traces.draw import Draw
from raytide.autoscaling.simulate.traces.rows import open_text
from raytide.autoscaling.simulate.traces.trace import Trace, TraceError

_KNOWN: Final = {
    "plain CSV": ",".join(plain.COLUMNS),
    "Azure CSV": ",".join(azure.COLUMNS),
    "BurstGPT CSV": ",".join(burstgpt.COLUMNS),
    "rates CSV": ",".join(rates.COLUMNS),
    "Mooncake JSON lines": ",".join(mooncake.KEYS),
    "ServeGen folder": servegen.TRACE_GLOB,
}
_NO_CLASS: Final = "the trace names no traffic class, so nobody is turned away"


def read_trace(
    path: Path,
    draw: Draw | None = None,
    *,
    prefix_cache_tokens: int = mooncake.PREFIX_CACHE_TOKENS,
    classes: Sequence[str] = (),
) -> Trace:
    """The trace in a file, plain or gzipped, or in a folder of ServeGen clients.

    `draw` says how requests are drawn where the source has rates; `prefix_cache_tokens` is the prompt tokens that a
    cache keeps where the source names the blocks of its prompts; `classes` are those that a plain file may name.

    Raises:
        TraceError: the file is missing, of no known format, or has a mistake; the sentence says where.
    """
    draw = draw or Draw()
    try:
        trace = (
            servegen.read_servegen(path, draw)
            if path.is_dir()
            else _read_file(path, draw, prefix_cache_tokens, classes)
        )
    except (OSError, EOFError, csv.Error) as error:
        raise TraceError(f"{path}: cannot be read: {_reason(error)}") from error
    unnamed = bool(classes) and trace.class_of is None
    return replace(trace, notes=(*trace.notes, _NO_CLASS)) if unnamed else trace


def _read_file(path: Path, draw: Draw, prefix_cache_tokens: int, classes: Sequence[str]) -> Trace:
    with open_text(path) as file:
        first = file.readline(100_000)
    if not first.strip():
        raise TraceError(f"{path}: the first line is empty; a trace begins with a header or a JSON object")
    if first.lstrip().startswith("{"):
        return mooncake.read_mooncake(path, prefix_cache_tokens)
    header = tuple(next(csv.reader([first]), ()))
    if len(set(header)) < len(header):
        raise TraceError(f"{path}:1: two columns have the same name; remove or rename one")
    if set(plain.COLUMNS) <= set(header):
        return plain.read_plain(path, header, classes)
    if set(azure.COLUMNS) <= set(header):
        return azure.read_azure(path)
    if set(burstgpt.COLUMNS) <= set(header):
        return burstgpt.read_burstgpt(path)
    if set(rates.COLUMNS) <= set(header):
        return rates.read_rates_trace(path, draw)
    known = "; ".join(f"{name}: {columns}" for name, columns in _KNOWN.items())
    raise TraceError(f"{path}: no known trace format; its first line is {first.strip()[:80]!r}. Known are {known}")


def _reason(error: OSError | EOFError | csv.Error) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file does not exist; check the path"
    return f"{error}; check that it is a readable file, gzipped where it ends in .gz"
