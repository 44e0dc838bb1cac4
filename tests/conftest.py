"""`golden`: a committed file that must equal what is generated; `shared_data`: public traces and measurements."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure: examples are counted, not timed.
settings.register_profile("raytide", deadline=None)
settings.load_profile("raytide")

REPOSITORY = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data, which is no part of the product."""
    folder = Path(os.environ.get("RAYTIDE_DATA") or REPOSITORY / "../shared/data").resolve()
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set RAYTIDE_DATA to its folder")
    return folder


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    def check(path: Path, generated: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated)
        committed = path.read_text() if path.exists() else ""
        assert committed == generated, f"{path} is not what is generated; see `pytest --update-golden`"

    return check
