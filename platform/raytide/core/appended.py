"""Files of one JSON object a line, which only grow, and whose writer may be killed at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append(path: Path, event: Mapping[str, Any]) -> None:
    """Write one line, in the place of what a killed writer left of its own; returns once it is on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(event, separators=(",", ":"), allow_nan=False)
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
