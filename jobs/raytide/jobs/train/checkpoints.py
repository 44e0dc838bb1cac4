"""A run's checkpoints: each appears when it is complete, the latest good one is found, and only older ones go.

Ray Train's own record of checkpoints is not used: ray 2.60.0 rewrites it in place, so that a killed controller may
leave half of it, and refuses a whole run when a folder named in it is gone.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from raytide.jobs.artefact import new_folder, sha256_of_file, write_json

_STATE: Final = "state.pt"
_SEAL: Final = "complete.json"
_PREFIX: Final = "step-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The newest checkpoint that is whole, and what was wrong with newer ones."""

    state: Path | None
    """The file with its state; None where the run starts from nothing."""
    damaged: tuple[str, ...]


class Checkpoints:
    """The folder of a run's checkpoints; one worker writes."""

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder, self._keep = folder, keep
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None
        self._failure = ""

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Starts to write a state, which must not change from here on; waits for the one before."""
        self.wait()
        self._pending = self._writer.submit(self._write, step, state)

    def wait(self) -> None:
        """Returns when nothing is being written."""
        if self._pending is not None:
            self._pending.result()
            self._pending = None

    @property
    def failure(self) -> str:
        """Why a checkpoint could not be written, in a sentence; empty while all could."""
        return self._failure

    def newest(self) -> Found:
        """The checkpoint to go on from; every byte of it is compared with what was written."""
        damaged: list[str] = []
        for folder in reversed(_complete(self._folder)):
            problem = _problem(folder)
            if not problem:
                return Found(state=folder / _STATE, damaged=tuple(damaged))
            damaged.append(f"the checkpoint of step {_step(folder)} is damaged ({problem}) and was passed over")
        return Found(state=None, damaged=tuple(damaged))

    def _write(self, step: int, state: dict[str, Any]) -> None:
        try:
            _write_checkpoint(self._folder / f"{_PREFIX}{step:08d}", state)
            # Later ones are damaged, or the run would not have come back here: they count for none that is kept.
            so_far = [each for each in _complete(self._folder) if _step(each) <= step]
            for old in so_far[: -self._keep]:
                shutil.rmtree(old)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError where a disk is full
            kept = _complete(self._folder)
            going_on = f"that of step {_step(kept[-1])} is kept" if kept else "there is none before it"
            self._failure = f"The checkpoint of step {step} could not be written ({_first_line(error)}); {going_on}."


def _write_checkpoint(target: Path, state: dict[str, Any]) -> None:
    import torch

    with new_folder(target.with_name(f"new-{target.name}")) as folder:
        with (folder / _STATE).open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        write_json(folder / _SEAL, {"bytes": (folder / _STATE).stat().st_size, "sha256": _sha256(folder)})
    shutil.rmtree(target, ignore_errors=True)  # of the same step, written before a damaged one made the run go back
    target.with_name(f"new-{target.name}").rename(target)


def _complete(folder: Path) -> list[Path]:
    """Checkpoints by step; those that were never finished have another name."""
    return sorted(folder.glob(f"{_PREFIX}*"))


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix(_PREFIX))


def _problem(folder: Path) -> str:
    try:
        seal = json.loads((folder / _SEAL).read_text())
        size = (folder / _STATE).stat().st_size
        if size != seal["bytes"]:
            return f"{size} of {seal['bytes']} bytes are there"
        return "" if _sha256(folder) == seal["sha256"] else "its content has changed"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return _first_line(error)


def _sha256(folder: Path) -> str:
    return sha256_of_file(folder / _STATE)


def _first_line(error: BaseException) -> str:
    cause = error if isinstance(error, OSError) else (error.__context__ or error)
    return (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
