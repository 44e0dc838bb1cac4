"""Submitting a job as a user does: `ray job submit`, its output as progress."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from raytide.cli.demo.view import Step
from raytide.core.errors import RunFailed
from raytide.operator.local.record import LocalCluster

KEPT_LINES = 12
"""Lines that a failure shows."""


def submit(cluster: LocalCluster, name: str, step: Step) -> None:
    """Runs `jobs/<name>.yaml` on the cluster and returns once it has succeeded.

    Raises:
        RunFailed: with the last lines that the job printed.
    """
    command = [
        str(Path(sys.executable).parent / "ray"), "job", "submit", "--address", cluster.dashboard, "--",
        "python", "-m", f"raytide.jobs.{name}", str(Path(f"jobs/{name}.yaml").absolute()),
    ]  # fmt: skip
    # Into a pipe Python writes in blocks: a job's lines would come when it has ended.
    said = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled"), **said}
    last: list[str] = []
    with subprocess.Popen(  # noqa: S603 (our own command line)
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout
        for line in _lines(process.stdout):
            last = [*last, line][-KEPT_LINES:]
            step.show(line)
    if process.returncode:
        raise RunFailed(f"the {name} job failed:\n  " + "\n  ".join(last))


def _lines(output: Iterator[str]) -> Iterator[str]:
    """What the job itself printed: Ray frames it with rulers, hints and timestamps."""
    for raw in output:
        line = raw.strip()
        noise = ("Job submission server", "Next steps", "Query the", "Request the", "ray job ", "Tailing logs", "---")
        if line and not line.startswith(noise) and "cli.py:" not in line and "INFO " not in line:
            yield line
