"""What a step made of which inputs, kept so that it is not made again and a killed pipeline goes on.

One file for each step and set of inputs, below `$RAYTIDE_HOME/pipelines/NAME/STEP/`; a record is begun before its job
is submitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from raytide.core.home import home
from raytide.jobs.artefact import sha256_of_json, write_json
from raytide.jobs.pipeline.plan import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One step, run on one set of inputs."""

    inputs: Mapping[str, str]
    """Hashes of what decides the result, by what it is."""
    job: str
    """The submission id; it says which try it is."""
    output: str = ""
    """Where the job writes; empty for a promotion."""
    state: str = State.READY
    """`ready` until the job has ended."""
    digest: str = ""
    """Of what it made."""
    says: str = ""
    began_s: float
    ended_s: float | None = None

    @property
    def key(self) -> str:
        """The inputs as one short hash."""
        return key_of(self.inputs)

    @property
    def is_done(self) -> bool:
        """Whether it need not be tried again: a gate that said no says it again."""
        return self.state in (State.PASSED, State.REFUSED)


def key_of(inputs: Mapping[str, str]) -> str:
    """Inputs as a short hash."""
    return sha256_of_json(dict(inputs))[:12]


def matching(records: Iterable[Record], inputs: Mapping[str, str]) -> Record | None:
    """The latest record whose inputs are these; what it had beside them, and is not asked for now, does not count."""
    fitting = [record for record in records if inputs.items() <= record.inputs.items()]
    return max(fitting, key=lambda record: (record.is_done, record.began_s), default=None)


def changes(before: Record | None, inputs: Mapping[str, str]) -> str:
    """Which inputs are other than they were; for people."""
    if before is None:
        return "new"
    names = [name for name in inputs if before.inputs.get(name) != inputs[name]]
    return f"changed: {', '.join(names)}" if names else "unchanged"


class Records:
    """Of one pipeline, on disk."""

    def __init__(self, pipeline: str) -> None:
        self.folder = home() / "pipelines" / pipeline

    def of(self, step: str) -> tuple[Record, ...]:
        """All of a step, the latest last."""
        found = (_read(file) for file in sorted((self.folder / step).glob("*.record.json")))
        return tuple(sorted((record for record in found if record), key=lambda record: record.began_s))

    def write(self, step: str, record: Record) -> None:
        """Keep a record in place of an earlier one of the same inputs."""
        write_json(self.folder / step / f"{record.key}.record.json", asdict(record))

    def write_job(self, step: str, key: str, document: object) -> Path:
        """The file that a step's job is submitted with."""
        file = self.folder / step / f"{key}.job.json"
        write_json(file, document)
        return file


def _read(file: Path) -> Record | None:
    """None where a power cut has left half of it: its job is found again by its name, and what it made as well."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except ValueError:
        return None
