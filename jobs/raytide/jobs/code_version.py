"""Which code ran: lineage names it beside the data and the configuration."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path


def code_version() -> str:
    """The git commit of this code, `-dirty` where files differ from it; the package version outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    if not commit or not _git("ls-files", Path(__file__).name):
        return version("raytide")  # installed from a wheel, perhaps below somebody else's repository
    return f"{commit}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (fixed words)
            ["git", *command],  # noqa: S607 (the user's git)
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
