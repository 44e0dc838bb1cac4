from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE_ROOTS = ("platform", "jobs", "services", "autoscaling", "manifests")


def _run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], env=os.environ | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("root", SOURCE_ROOTS)
def test_a_source_root_and_its_portion_of_raytide_are_no_packages(repository: Path, root: str) -> None:
    assert not (repository / root / "__init__.py").exists()
    assert not (repository / root / "raytide" / "__init__.py").exists()


def test_the_standard_platform_module_survives_the_folder_of_that_name(repository: Path) -> None:
    ran = _run("-c", "import platform; print(platform.system())", PYTHONPATH=str(repository))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_layers_hold(repository: Path) -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run([lint], cwd=repository, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_reading_a_document_imports_in_a_blink() -> None:
    # Beside the libraries that it stands on, and in turns with them, because a shared core runs at half its speed for
    # seconds at a time: on a free one they take 0.1 s of 0.2 s.
    of_both = [[_import_s(what) for what in ("raytide.core.spec", _ITS_LIBRARIES)] for _ in range(5)]
    took_s, libraries_s = map(min, zip(*of_both, strict=True))
    assert took_s < 3 * libraries_s


_ITS_LIBRARIES = "pydantic.main, pydantic.types, ruamel.yaml"


def _import_s(what: str) -> float:
    """The process's own time of an import."""
    code = f"import time; began = time.process_time(); import {what}; print(time.process_time() - began)"
    return float(_run("-c", code).stdout)
