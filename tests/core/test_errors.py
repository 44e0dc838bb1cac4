from __future__ import annotations

import pytest

from raytide.core import errors
from raytide.core.errors import Finding, SpecError


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.RaytideError, 1),
        (errors.SpecError, 2),
        (errors.ClusterUnreachable, 3),
        (errors.ClusterRefused, 3),
        (errors.GateFailed, 4),
        (errors.RunFailed, 5),
    ],
)
def test_exit_codes_are_a_contract(error: type[errors.RaytideError], exit_code: int) -> None:
    assert error.exit_code == exit_code
    assert issubclass(error, errors.RaytideError)


def test_a_finding_says_place_path_problem_and_hint() -> None:
    finding = Finding(
        file="a.yaml", line=3, column=7, path="spec.x", problem="wrong value",
        got="5", expected="text", did_you_mean="y",
    )  # fmt: skip
    says = "a.yaml:3:7: spec.x: wrong value; found 5, expected text; did you mean 'y'?"
    assert str(finding) == says


def test_a_finding_about_a_whole_file_has_no_line() -> None:
    assert str(Finding(file="a.yaml", line=0, column=1, path="", problem="no such file")) == "a.yaml: no such file"


def test_a_spec_error_says_one_finding_a_line() -> None:
    one = Finding(file="a.yaml", line=1, column=1, path="", problem="one")
    two = Finding(file="a.yaml", line=2, column=1, path="", problem="two")
    assert str(SpecError((one, two))) == "a.yaml:1:1: one\na.yaml:2:1: two"
