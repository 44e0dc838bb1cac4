"""Where raytide keeps its artefacts: `$RAYTIDE_HOME`, else `.raytide` under the current directory."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The storage folder, absolute; it need not exist yet."""
    return Path(os.environ.get("RAYTIDE_HOME") or ".raytide").expanduser().absolute()


def below_home(folder: str) -> Path:
    """`folder` as it is where it is absolute, else below the storage folder."""
    return home() / Path(folder).expanduser()
