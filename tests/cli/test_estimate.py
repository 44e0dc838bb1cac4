from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Raytide = Callable[..., "CompletedProcess[str]"]


def test_a_count_of_parameters_and_an_accelerator_are_enough(raytide: Raytide) -> None:
    ran = raytide("estimate", "--params", "175B", "--precision", "fp16", "--accelerator", "A100-80G")
    assert ran.returncode == 0, ran.stderr
    assert "350 GB  = 175B parameters × 2 bytes (fp16)" in ran.stdout
    assert "5 accelerators  = 350 GB / 80 GB of A100-80G, rounded up" in ran.stdout
    assert "its TPOT is off by" in ran.stdout


def test_machines_get_the_same_steps(raytide: Raytide) -> None:
    load = ("--requests-per-s", "1000", "--seconds-per-request", "1", "--concurrency", "50", "--usd-per-hour", "2")
    steps = json.loads(raytide("estimate", *load, "--json").stdout)["sections"][0]["steps"]
    values = {step["label"]: (step["value"], step["unit"]) for step in steps}
    assert values["H100"] == (20, "accelerators")
    assert values["cost per hour"] == (40, "USD/h")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "Qwen3-33B"), "did you mean 'Qwen3-32B'?"),
        (("--params", "-3B"), "params is '-3B'"),
        (("--params", "7B", "--accelerator", "H101"), "did you mean 'H100'?"),
        (("--params", "7B", "--precision", "fp17"), "no precision 'fp17'"),
        (("--params", "7B", "--market", "spto"), "did you mean 'spot'?"),
        (("--params", "70B", "--tensor-parallel", "1"), "the nearest tensor_parallel that fits is 4"),
        (("--against", "nowhere.csv"), "cannot be read"),
        ((), "give a model"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(raytide: Raytide, args: tuple[str, ...], says: str) -> None:
    ran = raytide("estimate", *args)
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_errors_against_measured_points_are_printed(raytide: Raytide, shared_data: Path) -> None:
    ran = raytide("estimate", "--against", str(shared_data / "silicon" / "silicon_reference.csv"))
    assert ran.returncode == 0, ran.stderr
    assert "Qwen3-32B         H100" in ran.stdout
    assert "left out" in ran.stdout
