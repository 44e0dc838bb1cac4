"""What the catalog's roofline and the five-term iteration get wrong against kernels measured on one GPU.

    python benchmarks/roofline_vs_gpu.py benchmarks/data/iterations_h100.csv

The file is what `benchmarks/iteration_on_gpu.py` writes, bare kernels. The roofline speaks of whole engines, so it
should say more than the file by what an engine adds: a bias on decoding that grows with the sequences is its scheduling
and sampling, and no error. Of a group (`Qwen3-32B/2`) one GPU was measured, without the sums over the group; these are
taken out of the roofline too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from raytide.autoscaling.performance.coefficients import nonnegative
from raytide.autoscaling.performance.engine import Iteration
from raytide.autoscaling.performance.fit import fit
from raytide.autoscaling.performance.iterations import MeasuredCard, MeasuredIteration, read_iterations
from raytide.core import catalog
from raytide.core.catalog import Accelerator, EngineColumn, ModelShape
from raytide.core.catalog.roofline import CALIBRATED, Costs, roofline
from raytide.core.errors import RaytideError

Rows = Sequence[MeasuredIteration]
_FACTORS = ("weights", "kv_cache", "layer_s", "sequence_s")
_ALONE = replace(CALIBRATED, all_reduce_s=0.0, interconnect=0.0)


def main() -> None:
    """Prints the card beside its datasheet, the errors of fit and roofline, and the costs that the card implies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--accelerator", default="H100", help="the catalog's name of the card")
    chosen = parser.parse_args()
    gpu = catalog.load().accelerator(chosen.accelerator)
    with chosen.file.open(newline="") as lines:
        card = read_iterations(lines, name=str(chosen.file))
    _report_card(card, gpu)
    shapes = [(name, list(rows)) for name, rows in groupby(card.iterations, lambda row: row.shape)]
    _report_fits(shapes)
    _report_roofline(shapes, gpu)
    _report_costs(card.iterations, gpu)
    _report_engines(shapes, gpu)


def _report_card(card: MeasuredCard, gpu: Accelerator) -> None:
    print("; ".join(f"{key} {value}" for key, value in card.facts.items()))
    print(
        f"datasheet: {gpu.memory_bandwidth_bytes_per_s / 1e9:.0f} GB/s, {_flops_per_s(gpu) / 1e12:.1f} TFLOP/s in bf16"
    )


def _report_fits(shapes: Sequence[tuple[str, Rows]]) -> None:
    print(f"\n{'five terms':12} {'rows':17} {'points':>6} {'fitted %':>9} {'left out %':>10} {'P95 %':>6}")
    for name, rows in shapes:
        for title, kept in (("decoding", _decoding(rows)), ("and chunks ≤ 2048", _mixed(rows))):
            found = fit([point for row in kept if (point := row.as_serving_point) is not None])
            seen = np.mean([abs(_seconds(found.iteration, row) / row.seconds - 1) for row in kept])
            figures = found.num_points, 100 * seen, 100 * found.loo_mape, 100 * found.loo_p95
            print("{:12} {:17} {:6} {:9.1f} {:10.1f} {:6.1f}".format(name, title, *figures))


def _report_roofline(shapes: Sequence[tuple[str, Rows]], gpu: Accelerator) -> None:
    print(f"\n{'roofline':12} {'regime':28} {'points':>6} {'MAPE %':>7} {'bias %':>7}")
    for name, rows in shapes:
        column = _column(name, gpu)
        for title, belongs in _regimes(column).items():
            said = [_seconds(column, row) / row.seconds - 1 for row in rows if belongs(row)]
            if said:
                figures = len(said), 100 * np.abs(said).mean(), 100 * np.mean(said)
                print("{:12} {:28} {:6} {:7.1f} {:+7.1f}".format(name, title, *figures))


def _regimes(column: EngineColumn) -> dict[str, Callable[[MeasuredIteration], bool]]:
    def is_long(row: MeasuredIteration) -> bool:
        return column.per_kv_token_s * row.kv_tokens > column.base_s / 2

    return {
        "decoding, mostly weights": lambda row: not row.prefill_tokens and not is_long(row),
        "decoding, a third KV or more": lambda row: not row.prefill_tokens and is_long(row),
        "chunks of 256 and 512": lambda row: 0 < row.prefill_tokens <= 512,
        "chunks of 1024 and 2048": lambda row: 512 < row.prefill_tokens <= 2048,
        "chunks of 4096 and 8192": lambda row: row.prefill_tokens > 2048,
    }


def _report_costs(rows: Rows, gpu: Accelerator) -> None:
    """Of kernels alone, by least squares of the relative error over all shapes."""
    decoding = _decoding(rows)
    ideal = np.array([[_ideal_s(row, name, gpu) for name in _FACTORS] for row in decoding])
    seconds = np.array([row.seconds for row in decoding])
    found = nonnegative(ideal / seconds[:, None], np.ones(len(seconds)))
    error = abs(ideal @ found / seconds - 1).mean()
    print(f"\n{'costs':12} {'kernels':>10} {'roofline':>10}")
    for name, cost in zip(_FACTORS, found, strict=True):
        print(f"{name:12} {cost:10.3g} {getattr(CALIBRATED, name):10.3g}")
    print(f"{'compute':12} {_compute(rows, gpu):10.3g} {CALIBRATED.compute:10.3g}")
    print(f"all but compute from decoding, which they explain to {error:.1%}")


def _ideal_s(row: MeasuredIteration, cost: str, gpu: Accelerator) -> float:
    """Seconds that one unit of a cost adds to this iteration."""
    nothing = Costs(**{field.name: 0.0 for field in fields(Costs)})
    return _seconds(_column(row.shape, gpu, replace(nothing, **{cost: 1.0})), row)


def _compute(rows: Rows, gpu: Accelerator) -> float:
    """What prompt tokens take where a chunk grows from 1024 to 4096, attention included, over FLOPs / (FLOP/s).

    The median over the shapes. Below 1024 tokens, reading the weights hides arithmetic.
    """
    alone = {(row.shape, row.prefill_tokens): row.seconds for row in rows if not row.num_sequences}
    shapes = dict.fromkeys(shape for shape, _ in alone)
    ideal = [_column(shape, gpu, replace(_ALONE, compute=1.0)).per_prefill_token_s * 3072 for shape in shapes]
    further = [alone[shape, 4096] - alone[shape, 1024] for shape in shapes]
    return float(np.median(np.array(further) / np.array(ideal)))


def _report_engines(shapes: Sequence[tuple[str, Rows]], gpu: Accelerator) -> None:
    print("\ncoefficients           base ms  seq. µs  √seq. µs  KV ns  prompt µs")
    for name, rows in shapes:
        model, size = _model(name)
        measured = catalog.load().lookup(model.name, gpu.name, "bf16", size)
        kernels = fit([point for row in _mixed(rows) if (point := row.as_serving_point) is not None]).iteration
        print(_coefficients(f"{name} kernels", kernels))
        if isinstance(measured, EngineColumn):
            print(_coefficients(f"  {measured.engine}", measured))


def _coefficients(title: str, of: Iteration | EngineColumn) -> str:
    scales = (1e3, 1e6, 1e6, 1e9, 1e6)
    values = (of.base_s, of.per_sequence_s, of.per_root_sequence_s, of.per_kv_token_s, of.per_prefill_token_s)
    figures = (value * scale for value, scale in zip(values, scales, strict=True))
    return "{:22} {:7.2f} {:8.1f} {:9.1f} {:6.1f} {:10.1f}".format(title, *figures)


def _decoding(rows: Rows) -> Rows:
    return [row for row in rows if not row.prefill_tokens]


def _mixed(rows: Rows) -> Rows:
    """Batches with a decoding sequence and a chunk as engines choose it."""
    return [row for row in rows if row.num_sequences and row.prefill_tokens <= 2048]


def _column(name: str, gpu: Accelerator, costs: Costs = _ALONE) -> EngineColumn:
    model, size = _model(name)
    return roofline(model, gpu, size, "bf16", costs)


def _model(name: str) -> tuple[ModelShape, int]:
    """The model of a measured shape, and the size of its group."""
    model, _, size = name.partition("/")
    return catalog.load().model(model), int(size or 1)


def _seconds(of: Iteration | EngineColumn, row: MeasuredIteration) -> float:
    batch = row.num_sequences, row.kv_tokens, row.prefill_tokens
    return of.seconds(*batch) if isinstance(of, Iteration) else of.iteration_s(*batch)


def _flops_per_s(gpu: Accelerator) -> float:
    _, flops_per_s = gpu.flops_for("bf16")
    return flops_per_s


if __name__ == "__main__":
    try:
        main()
    except (RaytideError, OSError) as error:
        sys.exit(str(error))
