"""The gate: how far the closed form is off on serving points that it has not seen, priors from other models only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raytide.autoscaling.performance.fidelity import Fidelity, fidelity, judged
from raytide.autoscaling.performance.prior import SILICON, learn
from raytide.autoscaling.performance.silicon import Configuration, read_silicon


@pytest.fixture(scope="module")
def configurations(shared_data: Path) -> tuple[Configuration, ...]:
    file = shared_data / "silicon" / "silicon_reference.csv"
    if not file.is_file():
        pytest.skip(f"no measured serving points at {file}")
    with file.open(newline="") as lines:
        return judged(read_silicon(lines, name=file.name))


@pytest.fixture(scope="module")
def found(configurations: tuple[Configuration, ...]) -> dict[str, Fidelity]:
    return {one.left_out: one for one in fidelity(configurations)}


@pytest.mark.parametrize(
    ("left_out", "mean", "median", "p95"),
    [("one point", 0.041, 0.023, 0.14), ("one shape", 0.09, 0.05, 0.32), ("top concurrency", 0.06, 0.035, 0.20)],
)
def test_tpot_of_unseen_points_is_predicted(
    found: dict[str, Fidelity], left_out: str, mean: float, median: float, p95: float
) -> None:
    assert found[left_out].mean <= mean
    assert found[left_out].quantile(0.5) <= median
    assert found[left_out].quantile(0.95) <= p95


def test_all_configurations_with_ten_points_are_judged(found: dict[str, Fidelity]) -> None:
    assert found["one point"].num_configurations >= 100


def test_the_shipped_prior_is_what_the_data_imply(configurations: tuple[Configuration, ...]) -> None:
    learnt = learn([one.points for one in configurations])
    assert np.allclose(learnt.mean, SILICON.mean, rtol=0.02)
    assert np.allclose(learnt.whitening, SILICON.whitening, rtol=0.02)
