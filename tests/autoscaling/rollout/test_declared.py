from __future__ import annotations

from pathlib import Path

import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.rollout.declared import canary_of, quality_of
from raytide.autoscaling.rollout.evidence import Quality
from raytide.autoscaling.rollout.gate import Gate
from raytide.autoscaling.rollout.rollout import Canary
from raytide.core.errors import SpecError
from raytide.core.spec import Service, read_as


def _declared(repository: Path, *overrides: str) -> Service:
    return read_as(Service, repository / "services" / "chat.yaml", overrides)


def test_a_service_without_a_rollout_has_no_canary(repository: Path) -> None:
    assert canary_of(_declared(repository)) is None


def test_the_usual_canary_needs_no_key(repository: Path) -> None:
    canary = canary_of(_declared(repository, "spec.rollout={}"))
    assert canary is not None
    assert canary.steps == Canary().steps
    assert canary.gate.objectives == pytest.approx(0.01)  # what an attainment of 99 % lets miss


def test_every_key_reaches_the_rules(repository: Path) -> None:
    gate = "gate: {error_rate: 2%, objectives: false, quality: any}"
    text = f"spec.rollout={{canary: {{steps: [10%, 100%], hold: 1m, patience: 5m, {gate}}}}}"
    assert canary_of(_declared(repository, text)) == Canary(
        steps=(0.1, 1.0), hold_s=60.0, patience_s=300.0, gate=Gate(error_rate=0.02, objectives=None, quality=None)
    )


@pytest.mark.parametrize("steps", ["[]", "[50%]", "[5%, 1%, 100%]", "[0%, 100%]"])
def test_steps_that_do_not_rise_to_all_are_a_located_mistake(repository: Path, steps: str) -> None:
    with pytest.raises(SpecError, match=r"spec.rollout.canary.steps"):
        _declared(repository, f"spec.rollout={{canary: {{steps: {steps}}}}}")


def test_the_quality_of_a_model_is_its_bits_per_byte_on_named_data() -> None:
    metrics = {"bits_per_byte": 1.2, "perplexity": 90.0}
    assert quality_of(metrics, "abc") == Quality(metric="bits_per_byte", value=1.2, data="abc")
    beside = quality_of({**metrics, "production_bits_per_byte": 1.3}, "abc", "chat v1")
    assert isinstance(beside, Quality)
    assert beside.of_rival("chat v1") == Quality(metric="bits_per_byte", value=1.3, data="abc")
    assert beside.of_rival("chat v2") is None
    assert isinstance(quality_of({}, "abc"), Missing)
    assert isinstance(quality_of(metrics, None), Missing)
