from __future__ import annotations

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Finished
from raytide.autoscaling.performance.workload import from_finished, from_lengths


def test_moments_are_means_over_requests() -> None:
    found = from_lengths([100, 300], [10, 30], [50, 50], requests_per_s=2.0)
    assert found.prompt_tokens == 200
    assert found.kv_token_steps == (10 * 105 + 30 * 315) / 2
    assert found.cached_fraction == pytest.approx(0.25)
    assert found.computed_prompt_tokens == pytest.approx(150)
    assert found.prompt_variation == pytest.approx(0.25)


def test_an_output_of_no_token_counts_as_one() -> None:
    assert from_lengths([100], [0], requests_per_s=1.0).output_tokens == 1


def test_sums_over_finished_requests_give_the_same_workload_as_their_lengths() -> None:
    prompt, output = np.array([100.0, 300.0, 50.0]), np.array([10.0, 30.0, 5.0])
    finished = Finished(
        num=3,
        prompt_tokens=float(prompt.sum()),
        output_tokens=float(output.sum()),
        prompt_tokens_squared=float((prompt**2).sum()),
        output_tokens_squared=float((output**2).sum()),
        kv_token_steps=float((output * (prompt + output / 2)).sum()),
    )
    assert from_finished(finished, requests_per_s=1.0) == from_lengths(prompt, output, requests_per_s=1.0)


def test_lengths_are_missing_where_nothing_finished() -> None:
    assert isinstance(from_finished(Finished(), requests_per_s=3.0), Missing)


def test_another_rate_keeps_the_requests() -> None:
    found = from_lengths([100], [10], requests_per_s=1.0)
    assert found.at_rate(5.0) == from_lengths([100], [10], requests_per_s=5.0)
