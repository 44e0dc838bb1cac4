"""The gate: simulated benchmarks of Qwen3-32B on H100 against measured ones (aiconfigurator's silicon_sample.csv)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from raytide.autoscaling.performance.engine import Engine, Iteration
from raytide.autoscaling.performance.fit import one_point, steady_points
from raytide.autoscaling.performance.prior import SILICON
from raytide.autoscaling.performance.serving_point import ServingPoint
from raytide.autoscaling.performance.silicon import Configuration, read_silicon
from raytide.autoscaling.simulate.closed_loop import INFERENCE_MAX, Protocol, measure
from raytide.autoscaling.simulate.fidelity import errors, errors_of_unseen, inference_max_run, silicon_run

REFERENCE = Iteration(base_s=13.53e-3, per_sequence_s=29.6e-6, per_kv_token_s=79e-9, per_prefill_token_s=49.5e-6)


@pytest.fixture(scope="module")
def configurations(shared_data: Path) -> tuple[Configuration, ...]:
    file = shared_data / "silicon" / "silicon_reference.csv"
    if not file.is_file():
        pytest.skip(f"no measured serving points at {file}")
    with file.open(newline="") as lines:
        return read_silicon(lines, name=file.name)


def qwen(configurations: Sequence[Configuration], precision: str, backend: str, parallel: str) -> Configuration:
    key = ("Qwen/Qwen3-32B", "h100_sxm", precision, backend)
    return next(one for one in configurations if one.key[:4] == key and one.key[5] == parallel)


def test_the_reference_engine_measures_like_silicon_also_where_the_cache_overflows(
    configurations: tuple[Configuration, ...],
) -> None:
    points = qwen(configurations, "", "vllm", "2").points
    found = errors(points, silicon_run(REFERENCE, 270_000))
    assert len(points) == 30
    assert abs(found.tpot).mean() <= 0.05
    assert np.quantile(abs(found.tpot), 0.95) <= 0.10
    assert abs(found.ttft).mean() <= 0.08
    assert np.quantile(abs(found.ttft), 0.95) <= 0.20


@pytest.mark.parametrize(("parallel", "kv_tokens"), [("2", 270_000), ("4", 790_000)])
def test_an_iteration_fitted_on_other_shapes_measures_like_silicon(
    configurations: tuple[Configuration, ...], parallel: str, kv_tokens: int
) -> None:
    run = partial(silicon_run, kv_capacity_tokens=kv_tokens)
    found = errors_of_unseen(qwen(configurations, "", "vllm", parallel).points, SILICON, run)
    assert len(found.points) == 30
    assert abs(found.tpot).mean() <= 0.055
    assert abs(found.ttft).mean() <= 0.08


@pytest.mark.parametrize("parallel", ["1", "2", "4"])
def test_the_protocol_holds_for_an_engine_that_it_was_not_chosen_on(
    configurations: tuple[Configuration, ...], parallel: str
) -> None:
    found = errors_of_unseen(
        steady_points(qwen(configurations, "fp8", "trtllm", parallel).points), SILICON, silicon_run
    )
    assert abs(found.tpot).mean() <= 0.07
    assert abs(found.ttft).mean() <= 0.17


@pytest.mark.parametrize("parallel", ["1", "2", "4", "8"])
def test_the_published_protocol_of_another_campaign_explains_its_figures(
    configurations: tuple[Configuration, ...], parallel: str
) -> None:
    key = ("meta-llama/Llama-3.1-70B", "h200_sxm", "fp8", "vllm", "", parallel)
    points = steady_points(next(one for one in configurations if one.key[:6] == key).points)
    found = errors_of_unseen(points, SILICON, inference_max_run, folds=one_point, protocol=INFERENCE_MAX)
    assert len(found.points) >= 13
    assert abs(found.tpot).mean() <= 0.08
    assert abs(found.ttft).mean() <= 0.35


def test_a_lone_client_sees_its_prefill_and_unshared_iterations(engine: Engine) -> None:
    protocol = Protocol(requests_per_client=3, turnaround_s=0.25, turnaround_per_prompt_token_s=0.001)
    found = measure(engine, concurrency=1, prompt_tokens=100, output_tokens=5, protocol=protocol)
    prefill_s = engine.iteration.seconds(0, 0, 100)
    decode_s = [engine.iteration.seconds(1, 100 + step, 0) for step in range(4)]
    assert found.ttft_s == pytest.approx(0.35 + prefill_s)
    assert found.tpot_s == pytest.approx(np.mean(decode_s))
    assert found.requests_per_s == pytest.approx(3 / (3 * (prefill_s + sum(decode_s)) + 2 * 0.35))


def test_the_first_wave_waits_for_its_prefills_and_warm_up_leaves_it_out(engine: Engine) -> None:
    shape = {"concurrency": 32, "prompt_tokens": 2048, "output_tokens": 64}
    whole = measure(engine, **shape, protocol=Protocol(requests_per_client=4))
    warm = measure(engine, **shape, protocol=Protocol(requests_per_client=4, uncounted_per_client=1))
    first = measure(engine, **shape, protocol=Protocol(requests_per_client=1))
    assert first.ttft_s > whole.ttft_s > warm.ttft_s
    assert whole.ttft_s == pytest.approx((first.ttft_s + 3 * warm.ttft_s) / 4, rel=0.05)


def test_drawn_lengths_are_shorter_and_the_same_every_time(engine: Engine) -> None:
    shape = {"concurrency": 8, "prompt_tokens": 1000, "output_tokens": 100}
    full, drawn, again = (measure(engine, **shape, protocol=Protocol(shortest_length=s)) for s in (1.0, 0.5, 0.5))
    assert drawn == again
    assert drawn.requests_per_s / full.requests_per_s == pytest.approx(1 / 0.75, rel=0.1)


def test_one_token_answers_have_no_tpot(engine: Engine) -> None:
    found = measure(engine, concurrency=4, prompt_tokens=10, output_tokens=1)
    assert found.tpot_s == 0.0


def test_points_of_one_shape_alone_leave_nothing_to_fit() -> None:
    points = [ServingPoint(concurrency=c, prompt_tokens=10, output_tokens=10, tpot_s=0.01) for c in (1, 2, 4)]
    assert errors_of_unseen(points, SILICON, silicon_run).points == ()
