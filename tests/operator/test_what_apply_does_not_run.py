from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import SpecError
from raytide.core.spec import Service, marks_of, read_as
from raytide.operator import apply as operator
from raytide.operator.plan.runnable import require_runnable
from raytide.operator.site import Site

TWO = "spec.hardware=[{accelerator: CPU}, {accelerator: L4}]"
EMULATED = "spec.engine.kind=emulated"
CLASSES = "spec.traffic={classes: [{name: paid, priority: 1}]}"
NONE = "spec.scaling.min_replicas=0"
FAST = "spec.hardware.0.performance={iteration: {base: 5ms, per_prefill_token: 1ms}, kv_capacity_tokens: 900}"


@pytest.fixture
def file(repository: Path) -> Path:
    return repository / "services" / "chat.yaml"


def _refused(file: Path, *overrides: str) -> SpecError:
    with pytest.raises(SpecError) as refused:
        require_runnable(read_as(Service, file, overrides), marks_of(file, overrides))
    return refused.value


@pytest.mark.parametrize("overrides", [(), (TWO,), (NONE,), ("spec.rollout={}",), (CLASSES,), (EMULATED, FAST)])
def test_what_runs_today_is_not_refused(file: Path, overrides: tuple[str, ...]) -> None:
    require_runnable(read_as(Service, file, overrides), marks_of(file, overrides))


def test_an_emulated_engine_of_unknown_speed_is_refused_at_each_entry(file: Path) -> None:
    first, second = _refused(file, TWO, EMULATED).findings
    assert "nothing that an emulated engine could be as fast as: add `performance: {iteration" in first.problem
    assert (first.path, second.path) == ("spec.hardware.0", "spec.hardware.1")


def test_a_service_without_a_file_is_refused_by_its_name(file: Path, where: Site) -> None:
    service = read_as(Service, file, (EMULATED,))
    with pytest.raises(SpecError, match=r"^service chat: spec\.hardware\.0: nothing that an emulated engine"):
        operator.desired(service, where)
