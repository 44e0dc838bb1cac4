from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import SpecError
from raytide.core.spec import Service, marks_of, read_as
from raytide.operator import apply as operator
from raytide.operator.plan.runnable import require_runnable
from raytide.operator.site import Site

TWO = "spec.hardware=[{accelerator: CPU}, {accelerator: L4}]"
CLASSES = "spec.traffic={classes: [{name: paid, priority: 1}]}"
NONE = "spec.scaling.min_replicas=0"


@pytest.fixture
def file(repository: Path) -> Path:
    return repository / "services" / "chat.yaml"


def _refused(file: Path, *overrides: str) -> SpecError:
    with pytest.raises(SpecError) as refused:
        require_runnable(read_as(Service, file, overrides), marks_of(file, overrides))
    return refused.value


def test_what_runs_today_is_not_refused(file: Path) -> None:
    require_runnable(read_as(Service, file), marks_of(file))


def test_several_hardware_entries_are_refused_at_their_place(tmp_path: Path, file: Path) -> None:
    two = tmp_path / "two.yaml"
    two.write_text(
        file.read_text().replace("    - accelerator: CPU\n", "    - accelerator: L4\n    - accelerator: CPU\n")
    )
    (finding,) = _refused(two).findings
    assert two.read_text().splitlines()[finding.line - 1].strip() == "hardware:"
    assert str(finding).startswith(f"{two}:{finding.line}:{finding.column}: spec.hardware: 2 hardware entries")
    assert "apply runs exactly one in this version" in finding.problem


def test_an_override_that_stops_the_last_replica_is_refused_at_the_override(file: Path) -> None:
    (finding,) = _refused(file, NONE).findings
    assert str(finding).startswith(f"--set {NONE}: spec.scaling.min_replicas: 0, and apply keeps at least one replica")


def test_traffic_classes_are_refused_until_the_gateway_honours_them(file: Path) -> None:
    (finding,) = _refused(file, CLASSES).findings
    assert "traffic classes, and apply turns nobody away in this version" in finding.problem


def test_all_that_is_refused_is_said_at_once(file: Path) -> None:
    assert len(_refused(file, TWO, NONE, CLASSES).findings) == 3


def test_a_service_without_a_file_is_refused_by_its_name(file: Path, where: Site) -> None:
    service = read_as(Service, file, (TWO,))
    with pytest.raises(SpecError, match=r"^service chat: spec\.hardware: 2 hardware entries"):
        operator.desired(service, where)
