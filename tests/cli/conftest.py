from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Raytide = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def raytide(tmp_path: Path) -> Raytide:
    """Runs the command in a process of its own, in an empty folder."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from raytide.cli import main; main()", *args]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    return run
