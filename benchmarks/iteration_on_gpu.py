"""Measures how long the kernels of one engine iteration take on this machine, with no engine around them.

    python benchmarks/iteration_on_gpu.py --shape Qwen3-8B Llama-3.1-8B --out iterations.csv
    python benchmarks/iteration_on_gpu.py --device cpu --shape tiny

A Llama or Qwen3 decoder with random bf16 weights decodes one token of each of n sequences, beside at most one chunk of
p prompt tokens at the beginning of its context, as a continuous-batching engine runs it: fused projections, a KV cache
that tokens are written to by slot, logits of the last tokens only, the whole iteration in one CUDA graph. Scheduling,
sampling beyond an argmax, page tables and detokenisation are absent, so a real engine is slower by them.

The queries of a token that share a KV head attend as one block, so the cache, contiguous by sequence, is read once; of
the attention kernels that torch ships, each batch runs the fastest, as an engine's own choice would. The head of the
output holds a large copy and a large matrix product, both replayed from a graph; there a copy is slower than kernels
that only read, so the attention's own rate says more of the memory. Needs torch and numpy alone.
"""

from __future__ import annotations

import argparse
import csv
import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

Compiled = Callable[..., Any]
Run = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a decoder."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    normalises_heads: bool = False
    """Whether queries and keys are normalised, as in Qwen3."""

    @property
    def kv_bytes_per_token(self) -> int:
        """Keys and values of one token in all layers."""
        return 2 * 2 * self.layers * self.kv_heads * self.head_dim


SHAPES = {
    "tiny": Shape(layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, intermediate=128, vocabulary=256),
    "Qwen3-0.6B": Shape(
        layers=28, hidden=1024, heads=16, kv_heads=8, head_dim=128, intermediate=3072, vocabulary=151936,
        normalises_heads=True,
    ),
    "Qwen3-8B": Shape(
        layers=36, hidden=4096, heads=32, kv_heads=8, head_dim=128, intermediate=12288, vocabulary=151936,
        normalises_heads=True,
    ),
    "Qwen3-14B": Shape(
        layers=40, hidden=5120, heads=40, kv_heads=8, head_dim=128, intermediate=17408, vocabulary=151936,
        normalises_heads=True,
    ),
    "Llama-3.1-8B": Shape(
        layers=32, hidden=4096, heads=32, kv_heads=8, head_dim=128, intermediate=14336, vocabulary=128256
    ),
    "Qwen3-32B/2": Shape(
        layers=64, hidden=5120, heads=32, kv_heads=4, head_dim=128, intermediate=12800, vocabulary=75968,
        normalises_heads=True,
    ),
}  # fmt: skip
"""By name; after a slash, the share of one of so many GPUs, of which the sums over the group are not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one iteration computes."""

    sequences: int
    """That decode one token each."""
    context: int
    """Tokens that each of them attends to, its own included."""
    prefill: int
    """Prompt tokens of one further sequence."""

    @property
    def tokens(self) -> int:
        """Rows of every matrix product."""
        return self.sequences + self.prefill


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernels:
    """Which kernels attend; None leaves the choice to torch."""

    to_cache: SDPBackend | None = None
    to_chunk: SDPBackend | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the output."""

    shape: str
    n: int
    kv_tokens: int
    prefill_tokens: int
    median_ms: float
    spread_ms: float
    """Between the first and the third quartile."""
    attention: str
    """The kernels that attend to the cache and to the chunk."""
    attention_gb_per_s: float
    """At which attention alone reads the cache; NaN without decoding."""
    attention_tflops: float
    """At which attention alone computes within the chunk, what the causal mask hides not counted; NaN without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Weights of one layer, as (outputs, inputs), and its keys and values, shape (slots, KV heads, head size) each."""

    qkv: torch.Tensor
    output: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    before_attention: torch.Tensor
    before_mlp: torch.Tensor
    of_heads: tuple[torch.Tensor, torch.Tensor] | None
    """Scales of queries and keys, where these are normalised."""
    cache: tuple[torch.Tensor, torch.Tensor]


def add_and_normalise(
    update: torch.Tensor, stream: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The normalised residual stream, and the stream itself."""
    stream = stream + update
    return rms_norm(stream, stream.shape[-1:], scale, 1e-6), stream


def rotate_and_store(
    qkv: torch.Tensor,
    rotation: tuple[torch.Tensor, torch.Tensor],
    scales: tuple[torch.Tensor, torch.Tensor] | None,
    cache: tuple[torch.Tensor, torch.Tensor],
    slots: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values by head, of which the latter two are now in the cache too."""
    _, kv_heads, head_dim = cache[0].shape
    heads = qkv.view(len(qkv), -1, head_dim)
    queries, keys, values = heads.split([heads.shape[1] - 2 * kv_heads, kv_heads, kv_heads], dim=1)
    if scales is not None:
        queries = rms_norm(queries, (head_dim,), scales[0], 1e-6)
        keys = rms_norm(keys, (head_dim,), scales[1], 1e-6)
    queries, keys = _rotated(queries, *rotation), _rotated(keys, *rotation)
    cache[0][slots] = keys
    cache[1][slots] = values
    return queries, keys, values


def _rotated(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def gated(gate_up: torch.Tensor) -> torch.Tensor:
    """The hidden units of an MLP."""
    gate, up = gate_up.chunk(2, dim=-1)
    return silu(gate) * up


class Decoder:
    """Random weights, a KV cache of random tokens, and one iteration over them."""

    def __init__(self, shape: Shape, device: torch.device, slots: int) -> None:
        self.shape, self.device, self.slots = shape, device, slots
        self._embedding = self._random(shape.vocabulary, shape.hidden)
        self._head = self._random(shape.vocabulary, shape.hidden)
        self._last_scale = self._ones(shape.hidden)
        self._layers = [self._layer() for _ in range(shape.layers)]
        compiled = _compiled if device.type == "cuda" else _as_it_is
        self._add_and_normalise, self._rotate_and_store, self._gated = map(
            compiled, (add_and_normalise, rotate_and_store, gated)
        )

    def iteration(self, batch: Batch, tokens: torch.Tensor, kernels: Kernels = Kernels()) -> Run:
        """A function that runs one iteration on these tokens, decoding sequences first.

        It returns the token that follows each sequence, shape (sequences and chunks,).
        """
        positions, slots = self._places(batch)
        rotation = self._rotation(positions)
        sampled = torch.arange(batch.sequences + (batch.prefill > 0), device=self.device)
        sampled = torch.where(sampled < batch.sequences, sampled, batch.tokens - 1)

        def run() -> torch.Tensor:
            stream = self._embedding[tokens]
            update = torch.zeros_like(stream)
            for layer in self._layers:
                normal, stream = self._add_and_normalise(update, stream, layer.before_attention)
                qkv = linear(normal, layer.qkv)
                heads = self._rotate_and_store(qkv, rotation, layer.of_heads, layer.cache, slots)
                update = linear(self._attend(*heads, layer, batch, kernels), layer.output)
                normal, stream = self._add_and_normalise(update, stream, layer.before_mlp)
                update = linear(self._gated(linear(normal, layer.gate_up)), layer.down)
            last, _ = self._add_and_normalise(update[sampled], stream[sampled], self._last_scale)
            return linear(last, self._head).argmax(-1)

        return run

    def attention_to_cache(self, batch: Batch, kernel: SDPBackend | None) -> Run:
        """The attention of all layers over the cache, with nothing else."""
        queries = self._random(batch.sequences, self.shape.heads, self.shape.head_dim)

        def run() -> None:
            for layer in self._layers:
                self._attend_to_cache(queries, layer, batch, kernel)

        return run

    def attention_to_chunk(self, batch: Batch, kernel: SDPBackend | None) -> Run:
        """The attention of all layers within the chunk, with nothing else."""
        counts = (self.shape.heads, self.shape.kv_heads, self.shape.kv_heads)
        heads = [self._random(batch.prefill, count, self.shape.head_dim) for count in counts]

        def run() -> None:
            for _ in self._layers:
                _attend_causally(*heads, kernel)

        return run

    def _attend(
        self,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        layer: Layer,
        batch: Batch,
        kernels: Kernels,
    ) -> torch.Tensor:
        """The attended heads of all tokens, decoding ones first, shape (tokens, heads · head size)."""
        n, parts = batch.sequences, []
        if n:
            parts.append(self._attend_to_cache(queries[:n], layer, batch, kernels.to_cache))
        if batch.prefill:
            parts.append(_attend_causally(queries[n:], keys[n:], values[n:], kernels.to_chunk))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend_to_cache(
        self, queries: torch.Tensor, layer: Layer, batch: Batch, kernel: SDPBackend | None
    ) -> torch.Tensor:
        n, shape = batch.sequences, self.shape
        grouped = queries.reshape(n, shape.kv_heads, -1, shape.head_dim)
        with _only(kernel):
            attended = scaled_dot_product_attention(grouped, *self._cached(layer, batch))
        return attended.reshape(n, -1)

    def _cached(self, layer: Layer, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the decoding sequences, shape (n, KV heads, context, head size)."""
        n, context = batch.sequences, batch.context
        keys, values = (
            cache[: n * context].view(n, context, self.shape.kv_heads, self.shape.head_dim).transpose(1, 2)
            for cache in layer.cache
        )
        return keys, values

    def _places(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Position and slot of each token."""
        own = torch.arange(batch.sequences, device=self.device) * batch.context + batch.context - 1
        chunk = torch.arange(batch.prefill, device=self.device)
        positions = torch.cat([torch.full_like(own, batch.context - 1), chunk])
        return positions, torch.cat([own, batch.sequences * batch.context + chunk])

    def _rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        half = torch.arange(0, self.shape.head_dim, 2, device=self.device)
        angles = positions[:, None, None] / 1e6 ** (half / self.shape.head_dim)
        return angles.cos().bfloat16(), angles.sin().bfloat16()

    def _layer(self) -> Layer:
        shape = self.shape
        q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        return Layer(
            qkv=self._random(q + 2 * kv, shape.hidden),
            output=self._random(shape.hidden, q),
            gate_up=self._random(2 * shape.intermediate, shape.hidden),
            down=self._random(shape.hidden, shape.intermediate),
            before_attention=self._ones(shape.hidden),
            before_mlp=self._ones(shape.hidden),
            of_heads=(self._ones(shape.head_dim), self._ones(shape.head_dim)) if shape.normalises_heads else None,
            cache=(self._cache(), self._cache()),
        )

    def _cache(self) -> torch.Tensor:
        return self._random(self.slots, self.shape.kv_heads, self.shape.head_dim)

    def _random(self, *size: int) -> torch.Tensor:
        # Not zeros: on those a GPU draws less power and runs faster. The scale keeps 40 layers finite.
        return torch.empty(size, dtype=torch.bfloat16, device=self.device).normal_(std=size[-1] ** -0.5)

    def _ones(self, *size: int) -> torch.Tensor:
        return torch.ones(size, dtype=torch.bfloat16, device=self.device)


def _attend_causally(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, kernel: SDPBackend | None
) -> torch.Tensor:
    by_head = (heads.transpose(0, 1)[None] for heads in (queries, keys, values))
    with _only(kernel):
        attended = scaled_dot_product_attention(*by_head, is_causal=True, enable_gqa=True)
    return attended[0].transpose(0, 1).reshape(len(queries), -1)


def _only(kernel: SDPBackend | None) -> Any:
    return nullcontext() if kernel is None else sdpa_kernel(kernel)


def _compiled(function: Callable[..., Any]) -> Compiled:
    return torch.compile(function, fullgraph=True)


def _as_it_is(function: Callable[..., Any]) -> Compiled:
    return function


def timings_s(run: Callable[[], object], device: torch.device, budget_s: float) -> np.ndarray:
    """Seconds of repeated runs after a warm-up, on a GPU as replays of a CUDA graph; at least five."""
    once = _timer(run, device)
    repeats = int(np.clip(budget_s / once(), 5, 50))
    return np.array([once() for _ in range(repeats)])


def _timer(run: Callable[[], object], device: torch.device) -> Callable[[], float]:
    if device.type != "cuda":
        run()
        return lambda: _by_clock(run)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        run()
        run()
    torch.cuda.current_stream().wait_stream(aside)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    graph.replay()
    return lambda: _by_events(graph.replay)


def _by_clock(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _by_events(run: Callable[[], object]) -> float:
    begun, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begun.record()
    run()
    ended.record()
    ended.synchronize()
    return float(begun.elapsed_time(ended)) / 1e3


def measure(name: str, device: torch.device, grid: Sequence[Batch], budget_s: float) -> Iterator[Row]:
    """One row for each batch of the grid whose cache fits."""
    shape = SHAPES[name]
    torch.compiler.reset()
    slots = max(batch.sequences * batch.context + batch.prefill for batch in grid)
    decoder = Decoder(shape, device, min(slots, _fitting_slots(shape, device)))
    for batch in grid:
        if batch.sequences * batch.context + batch.prefill <= decoder.slots:
            yield _row(name, decoder, batch, budget_s)


def _row(name: str, decoder: Decoder, batch: Batch, budget_s: float) -> Row:
    shape, kv_tokens = decoder.shape, batch.sequences * batch.context
    kernels, to_cache_s, to_chunk_s = _fastest_attention(decoder, batch, budget_s / 4)
    tokens = torch.randint(shape.vocabulary, (batch.tokens,), device=decoder.device)
    times_s = timings_s(decoder.iteration(batch, tokens, kernels), decoder.device, budget_s)
    low, middle, high = np.quantile(times_s, (0.25, 0.5, 0.75)) * 1e3
    chunk_flops = 2 * shape.layers * shape.heads * shape.head_dim * batch.prefill**2
    return Row(
        shape=name,
        n=batch.sequences,
        kv_tokens=kv_tokens,
        prefill_tokens=batch.prefill,
        median_ms=round(float(middle), 4),
        spread_ms=round(float(high - low), 4),
        attention=" ".join(_name(kernel) for kernel in (kernels.to_cache, kernels.to_chunk)),
        attention_gb_per_s=round(kv_tokens * shape.kv_bytes_per_token / to_cache_s / 1e9, 1),
        attention_tflops=round(chunk_flops / to_chunk_s / 1e12, 1),
    )


def _name(kernel: SDPBackend | None) -> str:
    return "-" if kernel is None else kernel.name.removesuffix("_ATTENTION").lower()


def _fastest_attention(decoder: Decoder, batch: Batch, budget_s: float) -> tuple[Kernels, float, float]:
    """The kernels that attend to this batch in the least time, and the time of each over all layers."""
    to_cache, to_cache_s = _fastest(decoder.attention_to_cache, batch, batch.sequences, decoder.device, budget_s)
    to_chunk, to_chunk_s = _fastest(decoder.attention_to_chunk, batch, batch.prefill, decoder.device, budget_s)
    return Kernels(to_cache=to_cache, to_chunk=to_chunk), to_cache_s, to_chunk_s


def _fastest(
    attention: Callable[[Batch, SDPBackend | None], Run], batch: Batch, rows: int, device: torch.device, budget_s: float
) -> tuple[SDPBackend | None, float]:
    """The kernel that takes the least time, and that time; NaN where no row attends."""
    if not rows:
        return None, float("nan")
    on_gpu = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION)
    kernels: tuple[SDPBackend | None, ...] = on_gpu if device.type == "cuda" else (None,)
    times_s: dict[SDPBackend | None, float] = {}
    for kernel in kernels:
        with suppress(RuntimeError):  # what torch raises where a kernel does not support a batch
            times_s[kernel] = float(np.median(timings_s(attention(batch, kernel), device, budget_s)))
    best = min(times_s, key=times_s.__getitem__)
    return best, times_s[best]


def _fitting_slots(shape: Shape, device: torch.device) -> int:
    """Slots that leave 8 GB for activations and graphs beside the weights; no limit without a GPU."""
    if device.type != "cuda":
        return sys.maxsize
    gc.collect()  # the model before
    torch.cuda.empty_cache()
    attention = (2 * shape.heads + 2 * shape.kv_heads) * shape.head_dim * shape.hidden
    layer = attention + 3 * shape.hidden * shape.intermediate
    weights_bytes = 2 * (shape.layers * layer + 2 * shape.vocabulary * shape.hidden)
    return int((torch.cuda.mem_get_info()[0] - weights_bytes - 8e9) / shape.kv_bytes_per_token)


def limits(device: torch.device) -> tuple[float, float]:
    """What a large copy moves, bytes read and written, and what a large bf16 product computes: GB/s and TFLOP/s."""
    size, edge = (2**30, 8192) if device.type == "cuda" else (2**22, 256)
    source = torch.empty(size, dtype=torch.bfloat16, device=device).normal_()
    target = torch.empty_like(source)
    copy_s = np.median(timings_s(lambda: target.copy_(source), device, 0.3))
    left, right = (torch.empty(edge, edge, dtype=torch.bfloat16, device=device).normal_() for _ in range(2))
    multiply_s = np.median(timings_s(lambda: left @ right, device, 0.3))
    return float(2 * source.nbytes / copy_s / 1e9), float(2 * edge**3 / multiply_s / 1e12)


def grid_of(name: str) -> list[Batch]:
    """The batches to measure: decoding alone, chunks alone, and chunks beside decoding."""
    if name == "tiny":
        sequences, contexts, chunks, beside, context = (1, 4), (16, 32), (8, 16), (2,), 16
    else:
        sequences, contexts = (1, 2, 4, 8, 16, 32, 64, 128, 256), (512, 2048, 8192)
        chunks, beside, context = (256, 512, 1024, 2048, 4096, 8192), (4, 32, 128), 1024
    decode = [Batch(sequences=n, context=c, prefill=0) for c in contexts for n in sequences]
    alone = [Batch(sequences=0, context=1, prefill=p) for p in chunks]
    mixed = [Batch(sequences=n, context=context, prefill=p) for n in beside for p in chunks]
    return decode + alone + mixed


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the rows as they are measured, and writes them to a file as well where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["Qwen3-8B"])
    parser.add_argument("--device", default="cuda", type=torch.device)
    parser.add_argument("--seconds", type=float, default=0.4, help="to repeat each batch for")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --device cpu --shape tiny tries the script without one")
    with open(chosen.out, "w", newline="") if chosen.out else nullcontext() as file:  # noqa: PTH123
        targets: list[IO[str]] = [sys.stdout, *([file] if file else [])]
        _write(targets, chosen)


def _write(targets: Sequence[IO[str]], chosen: argparse.Namespace) -> None:
    for line in (f"# {key}: {value}" for key, value in _facts(chosen.device).items()):
        for target in targets:
            target.write(line + "\n")
    writers = [csv.writer(target, lineterminator="\n") for target in targets]
    for writer in writers:
        writer.writerow(field.name for field in fields(Row))
    for name in chosen.shape:
        with torch.inference_mode():
            for row in measure(name, chosen.device, grid_of(name), chosen.seconds):
                for writer, target in zip(writers, targets, strict=True):
                    writer.writerow(astuple(row))
                    target.flush()


def _facts(device: torch.device) -> dict[str, str]:
    copy_gb_per_s, matmul_tflops = limits(device)
    return {
        "card": torch.cuda.get_device_name(device) if device.type == "cuda" else "none",
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "copy_gb_per_s": f"{copy_gb_per_s:.1f}",
        "matmul_tflops": f"{matmul_tflops:.1f}",
    }


if __name__ == "__main__":
    main()
