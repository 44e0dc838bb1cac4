"""How a job starts and ends: arguments, the cluster, one sentence for an error, and its exit code."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import TypeVar, get_args

from raytide.core.errors import ClusterRefused, ClusterUnreachable, RaytideError, RunFailed
from raytide.core.spec.evaluate import EvaluateSpec
from raytide.core.spec.infer import InferSpec
from raytide.core.spec.job import Job
from raytide.core.spec.preprocess import PreprocessSpec
from raytide.core.spec.read import read_as
from raytide.core.spec.train import TrainSpec

_Spec = TypeVar("_Spec", PreprocessSpec, TrainSpec, EvaluateSpec, InferSpec)
_metadata: ContextVar[dict[str, str] | None] = ContextVar("metadata", default=None)
"""What Ray is told of this job where it is not submitted with other words."""


def main(kind: type[_Spec], run: Callable[[_Spec], None]) -> int:
    """The exit code of one job: reads `FILE [--set KEY=VALUE …]` from the command line and runs it."""

    def job() -> None:
        declared, spec = _read(kind)
        _metadata.set(declared.metadata.for_ray)
        run(spec)

    return exit_code_of(job)


def exit_code_of(job: Callable[[], None]) -> int:
    """The exit code of what a job does; what a user can cause is said in one sentence."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        job()
    except RaytideError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC and not error.filename:
            raise
        sys.stderr.write(f"{_of_files(error)}\n")
        return RaytideError.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130
    return 0


def _of_files(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk is full ({error.filename or 'writing'}); free some, and submit the job again."
    return f"{error.filename} cannot be used ({error.strerror}); correct the path or its permissions."


def say(line: str) -> None:
    """Prints a line of progress at once: in a submitted job stdout is a file, which Python would buffer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def connected() -> Iterator[None]:
    """Runs the block on the Ray cluster of RAY_ADDRESS or of this machine, else on one that ends with this process.

    Raises:
        ClusterUnreachable: No cluster answers there.
        ClusterRefused: The cluster wants a token.
        RunFailed: A task of the block failed.
    """
    _connect(os.environ.get("RAY_ADDRESS", ""))
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        raise RunFailed(f"A task failed on the cluster ({last_line(error)}); the dashboard shows its trace.") from error


def last_line(error: BaseException) -> str:
    """What went wrong, without the trace that Ray puts before it."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def _connect(address: str) -> None:
    import ray
    from ray.exceptions import AuthenticationError
    from ray.job_config import JobConfig

    _check_reachable(address)
    try:
        # What workers print stays in their logs, which the dashboard shows; a job prints its own few lines.
        ray.init(log_to_driver=False, logging_level=logging.WARNING, job_config=JobConfig(metadata=_metadata.get()))
    except (ConnectionError, AuthenticationError) as error:
        # Something listens there, and Ray says no more than "failed to connect" when a token is missing or wrong.
        raise ClusterRefused(
            f"{address or 'The cluster of this machine'} does not let this job in; if it wants a token, set "
            "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, else check that it is the address of a Ray head."
        ) from error


def _check_reachable(address: str) -> None:
    """Raises at once where Ray's own client retries for 13 minutes (ray 2.60.0, measured)."""
    if address.startswith(("http://", "https://")):
        raise ClusterUnreachable(
            f"RAY_ADDRESS is a dashboard ({address}), which takes submitted jobs: ray job submit -- "
            "python -m raytide.jobs.…; to run here, unset RAY_ADDRESS or give host:6379."
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, UnicodeError) as error:  # the latter of what could be no host's name
        raise ClusterUnreachable(
            f"No Ray cluster answers at {address}; start one with ray start --head, or correct RAY_ADDRESS."
        ) from error


def _read(kind: type[_Spec]) -> tuple[Job, _Spec]:
    (task,) = get_args(kind.model_fields["task"].annotation)
    parser = argparse.ArgumentParser(prog=f"python -m raytide.jobs.{task}", description=kind.__doc__)
    parser.add_argument("file", type=Path, help=f"a Job with task: {task}")
    parser.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[])
    arguments = parser.parse_args()
    job = read_as(Job, arguments.file, tuple(arguments.overrides))
    if not isinstance(job.spec, kind):
        raise RaytideError(
            f"{arguments.file} declares a {job.spec.task} job; run it with python -m raytide.jobs.{job.spec.task}."
        )
    return job, job.spec


def _stop(signum: int, frame: FrameType | None) -> None:
    # An exception instead of sudden death: temporary folders are removed on the way out.
    raise SystemExit(128 + signum)
