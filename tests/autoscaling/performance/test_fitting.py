from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raytide.autoscaling.performance.closed_loop import closed_loop
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.performance.fit import (
    NothingToFit,
    errors_of,
    fit,
    one_point,
    one_shape,
    top_concurrency,
)
from raytide.autoscaling.performance.prior import SILICON, learn
from raytide.autoscaling.performance.serving_point import ServingPoint


@pytest.fixture(scope="module")
def unlimited(engine: Engine) -> Engine:
    return replace(engine, kv_capacity_tokens=10**9, chunk_tokens=10**6, max_num_seqs=10**6)


@pytest.fixture(scope="module")
def points(unlimited: Engine) -> list[ServingPoint]:
    return [
        point(unlimited, concurrency, prompt, output)
        for prompt, output in ((1024, 1024), (1024, 8192), (8192, 1024))
        for concurrency in (1, 4, 16, 64, 128)
    ]


def point(engine: Engine, concurrency: float, prompt: float, output: float) -> ServingPoint:
    found = closed_loop(engine, concurrency, prompt, output)
    return ServingPoint(
        concurrency=concurrency,
        prompt_tokens=prompt,
        output_tokens=output,
        tpot_s=found.tpot_s,
        ttft_s=found.ttft_s,
    )


def test_points_of_a_known_engine_give_its_coefficients_back(points: list[ServingPoint], unlimited: Engine) -> None:
    found, true = fit(points), unlimited.iteration
    assert found.iteration.base_s == pytest.approx(true.base_s, rel=0.02)
    assert found.iteration.per_kv_token_s == pytest.approx(true.per_kv_token_s, rel=0.02)
    assert found.iteration.per_prefill_token_s == pytest.approx(true.per_prefill_token_s, rel=0.02)
    assert found.loo_mape < 0.01


def test_a_single_point_scales_the_prior(points: list[ServingPoint], unlimited: Engine) -> None:
    found = fit(points[2:3])
    assert found.num_points == 1
    assert np.isnan(found.loo_mape)
    assert found.iteration.seconds(16, 16 * 1536, 15) == pytest.approx(points[2].tpot_s, rel=0.01)
    assert found.iteration.per_prefill_token_s > 0


@settings(max_examples=20)
@given(factor=st.floats(min_value=0.01, max_value=100.0))
def test_a_machine_of_another_speed_has_the_same_proportions(points: list[ServingPoint], factor: float) -> None:
    scaled = [replace(point, tpot_s=factor * point.tpot_s, ttft_s=None) for point in points]
    assert fit(scaled).iteration.base_s == pytest.approx(factor * fit(points).iteration.base_s, rel=1e-6)


def test_one_wrong_point_does_not_bend_a_fit(points: list[ServingPoint]) -> None:
    wrong = [replace(points[7], tpot_s=3 * points[7].tpot_s), *points[:7], *points[8:]]
    assert errors_of(points[:7] + points[8:], SILICON, one_point).max() < 0.02
    assert fit(wrong).iteration.base_s == pytest.approx(fit(points).iteration.base_s, rel=0.05)


def test_points_that_waited_for_a_place_are_dropped(points: list[ServingPoint]) -> None:
    waited = replace(points[0], concurrency=1000, ttft_s=1000.0)
    found = fit([*points, waited])
    assert found.num_overflowing == 1
    assert found.iteration == fit(points).iteration


def test_points_that_all_waited_cannot_be_fitted(points: list[ServingPoint]) -> None:
    with pytest.raises(NothingToFit, match="None of 1 serving points"):
        fit([replace(points[0], ttft_s=1000.0)])


def test_repeats_of_a_point_are_left_out_with_it(points: list[ServingPoint]) -> None:
    repeated = [*points, replace(points[0], tpot_s=1.01 * points[0].tpot_s)]
    sizes = [(len(training), len(left_out)) for training, left_out in one_point(repeated)]
    assert sizes == [(14, 2), *[(15, 1)] * 14]


def test_folds_leave_out_a_shape_or_the_highest_concurrency(points: list[ServingPoint]) -> None:
    assert [len(left_out) for _, left_out in one_shape(points)] == [5, 5, 5]
    (training, left_out), *others = top_concurrency(points)
    assert {point.concurrency for point in left_out} == {128}
    assert max(point.concurrency for point in training) == 64
    assert not others


def test_a_prior_learnt_from_engines_predicts_another_one_from_one_shape(unlimited: Engine) -> None:
    rng = np.random.default_rng(0)

    def varied() -> list[ServingPoint]:
        by = rng.lognormal(0.0, 0.2, 5)
        old = unlimited.iteration
        iteration = replace(
            old,
            base_s=by[0] * old.base_s,
            per_sequence_s=by[1] * old.per_sequence_s,
            per_root_sequence_s=by[2] * old.per_root_sequence_s,
            per_kv_token_s=by[3] * old.per_kv_token_s,
            per_prefill_token_s=by[4] * old.per_prefill_token_s,
        )
        shapes = ((1024, 1024), (1024, 8192), (8192, 1024))
        engine = replace(unlimited, iteration=iteration)
        return [point(engine, n, prompt, output) for prompt, output in shapes for n in (1, 4, 16, 64, 128)]

    prior, unseen = learn([varied() for _ in range(20)]), varied()
    assert errors_of(unseen, prior, one_shape).mean() < 0.15
    assert errors_of(unseen, prior, one_point).mean() < 0.02
