"""Prints how far the simulator is off on measured serving points: it repeats the benchmark that each of them came from.

    python benchmarks/fidelity_simulator.py ../shared/data/silicon/silicon_reference.csv

Any CSV with the columns of aiconfigurator's `silicon_sample.csv` will do. No TTFT enters a fit. Iterations are fitted
to the TPOT of other shapes, or of other points where a campaign has three shapes only; priors come from other models.

The turnaround and the chunk were chosen on the rows of Qwen3-32B with vLLM on H100; the rest is held out. Rows of the
three shapes of InferenceMAX repeat its published protocol: ten requests for each client, lengths from 80 % to 100 %,
and for vLLM a chunk of 8,192 tokens. Other engines batch by other rules than the simulator's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.fidelity import judged
from raytide.autoscaling.performance.fit import one_point
from raytide.autoscaling.performance.prior import Prior, learn
from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.autoscaling.performance.silicon import Configuration, read_silicon
from raytide.autoscaling.simulate.closed_loop import INFERENCE_MAX
from raytide.autoscaling.simulate.fidelity import (
    Errors,
    errors,
    errors_of_unseen,
    inference_max_run,
    silicon_run,
)
from raytide.core.errors import RaytideError

_MODEL = "Qwen/Qwen3-32B"
_REFERENCE = Iteration(base_s=13.53e-3, per_sequence_s=29.6e-6, per_kv_token_s=79e-9, per_prefill_token_s=49.5e-6)
_KV_TOKENS = {"2": 270_000, "4": 790_000}
"""On H100 at 90 % of the memory: what 65.5 GB of weights leave, at 262,144 bytes a token."""
_INFERENCE_MAX_SHAPES = {(1024.0, 1024.0), (1024.0, 8192.0), (8192.0, 1024.0)}


def main(file: Path) -> None:
    """The table of all errors."""
    with file.open(newline="") as lines:
        configurations = read_silicon(lines, name=str(file))
    prior = learn([one.points for one in judged(configurations) if one.model != _MODEL])
    say(f"{'rows':44} {'points':>6} {'TTFT %':>7} {'P95 %':>6} {'TPOT %':>7} {'P95 %':>6}")
    for one in configurations:
        if one.key[:4] == (_MODEL, "h100_sxm", "", "vllm") and one.key[5] in _KV_TOKENS:
            _report_chosen(one, prior)
    _report_other_engines(judged(configurations), prior)
    _report_inference_max(judged(configurations))


def say(line: str) -> None:
    """Writes a line to standard output."""
    sys.stdout.write(line + "\n")


def _report_chosen(one: Configuration, prior: Prior) -> None:
    parallel = one.key[5]
    run = partial(silicon_run, kv_capacity_tokens=_KV_TOKENS[parallel])
    if parallel == "2":
        _report("reference engine, TP 2", errors(one.points, run(_REFERENCE)))
        _report("  with a chunk of 2048", errors(one.points, _with_chunk_2048))
    _report(f"vllm bf16 TP {parallel}, other shapes fitted", errors_of_unseen(one.points, prior, run))


def _with_chunk_2048(_: ServingPoint) -> Engine:
    return Engine(iteration=_REFERENCE, kv_capacity_tokens=_KV_TOKENS["2"], chunk_tokens=2048)


def _report_other_engines(configurations: Sequence[Configuration], prior: Prior) -> None:
    for one in configurations:
        if one.key[:4] == (_MODEL, "h100_sxm", "fp8", "trtllm"):
            _report(f"held out: trtllm fp8, TP {one.key[5]}", errors_of_unseen(one.points, prior, silicon_run))


def _report_inference_max(configurations: Sequence[Configuration]) -> None:
    own = [one for one in configurations if {point.shape for point in one.points} <= _INFERENCE_MAX_SHAPES]
    for backend in sorted({one.key[3] for one in own}):
        found = [_unseen_points(one, configurations) for one in own if one.key[3] == backend]
        _report(f"held out: InferenceMAX, {backend}", sum(found[1:], start=found[0]))


def _unseen_points(one: Configuration, configurations: Sequence[Configuration]) -> Errors:
    prior = learn([other.points for other in configurations if other.model != one.model])
    return errors_of_unseen(one.points, prior, inference_max_run, folds=one_point, protocol=INFERENCE_MAX)


def _report(title: str, found: Errors) -> None:
    ttft, tpot = 100 * abs(found.ttft), 100 * abs(found.tpot)
    figures = ttft.mean(), np.quantile(ttft, 0.95), tpot.mean(), np.quantile(tpot, 0.95)
    say("{:44} {:6} {:7.1f} {:6.1f} {:7.1f} {:6.1f}".format(title, len(found.points), *figures))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/silicon/silicon_reference.csv"))
    except (RaytideError, OSError) as error:
        sys.exit(str(error))
