"""What a brain knows beyond its life: beside the journal, so that a restart forgets nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from raytide.autoscaling.codec import plain, typed
from raytide.autoscaling.live.kept import Kept
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.spend import Spend

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """Everything that a brain goes on from."""

    revision: str
    """What the service ran: needs are counted in the work of its engines, and another model has another one."""
    known: Knowledge
    spend: Spend
    kept: Kept
    engines: Mapping[str, Engine] = field(default_factory=dict)
    """As replicas measured them, by variant: a service that is asleep has none to ask."""
    version: int = VERSION


def save(memory: Memory, file: Path) -> None:
    """Replace the file at once: a brain that is killed meanwhile leaves the one before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(file.name + ".new")
    written.write_text(json.dumps(plain(memory), allow_nan=False), encoding="utf-8")
    written.replace(file)


def load(file: Path, revision: str) -> Memory | Missing:
    """What was saved of this revision; missing where there is nothing of use, and why."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        memory: Memory = typed(Memory, data)
    except FileNotFoundError:
        return Missing(reason=f"{file} is not there")
    except (OSError, ValueError) as error:
        return Missing(reason=f"{file} cannot be read: {error}")
    if (memory.revision, memory.version) != (revision, VERSION):
        return Missing(reason=f"{file} is of revision {memory.revision}, version {memory.version}")
    return memory
