from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import SpecError
from raytide.core.spec import Service, read_as


@pytest.fixture
def reference(repository: Path) -> Path:
    return repository / "benchmarks" / "qwen3-32b.yaml"


def test_the_reference_case_is_read_in_seconds(reference: Path) -> None:
    (hardware,) = read_as(Service, reference).spec.hardware
    assert hardware.performance is not None
    iteration = hardware.performance.iteration
    assert iteration.base == pytest.approx(0.01353)
    assert iteration.per_sequence == pytest.approx(29.6e-6)
    assert iteration.per_root_sequence == 0.0
    assert iteration.per_kv_token == pytest.approx(79e-9)
    assert iteration.per_prefill_token == pytest.approx(49.5e-6)
    assert hardware.performance.kv_capacity_tokens == 270_000
    assert hardware.cold_start == 120.0


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("spec.hardware.0.performance.iteration.per_prefill_token=0s", "expected a value above zero"),
        ("spec.hardware.0.performance.iteration.base=13", "expected a duration such as"),
        ("spec.hardware.0.performance.kv_capacity_tokens=0", "expected a value above zero"),
        ("spec.hardware.0.performance.iteration.per_token=1us", "unknown key"),
        ("spec.hardware.0.price=5", "expected a price such as"),
        ("spec.hardware=[{accelerator: H100, market: spot}, {accelerator: H100, market: spot, price: $1/h}]", "differ"),
    ],
)
def test_what_is_no_performance_is_refused(reference: Path, override: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        read_as(Service, reference, (override,))


def test_quotas_that_do_not_hold_the_minimum_are_refused(reference: Path) -> None:
    quotas = "spec.hardware=[{accelerator: H100, max_replicas: 1}, {accelerator: L4, max_replicas: 2}]"
    with pytest.raises(SpecError, match="max_replicas of at least 4 together"):
        read_as(Service, reference, (quotas, "spec.scaling.min_replicas=4"))
    assert len(read_as(Service, reference, (quotas, "spec.scaling.min_replicas=3")).spec.hardware) == 2
