"""Prints how far the closed-form TPOT is off on measured serving points that it has not seen.

    python benchmarks/fidelity_closed_form.py ../shared/data/silicon/silicon_reference.csv

Any CSV with the columns of aiconfigurator's `silicon_sample.csv` will do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from raytide.autoscaling.performance.fidelity import LEAST_POINTS, Fidelity, fidelity, judged
from raytide.autoscaling.performance.silicon import Configuration, read_silicon
from raytide.core.errors import RaytideError


def main(file: Path) -> None:
    """The table of all errors."""
    with file.open(newline="") as lines:
        configurations = read_silicon(lines, name=str(file))
    kept = judged(configurations)
    say(
        f"{len(kept)} configurations of {LEAST_POINTS} points or more, {sum(len(one.points) for one in kept)} in all; "
        f"{_num_overflowing(configurations)} of {sum(len(one.points) for one in configurations)} overflow and are left "
        "out; priors from other models only"
    )
    say(f"{'left out':16} {'points':>6} {'mean %':>7} {'median %':>9} {'P95 %':>7}")
    for one in fidelity(kept):
        say(_row(one))


def say(line: str) -> None:
    """Writes a line to standard output."""
    sys.stdout.write(line + "\n")


def _row(one: Fidelity) -> str:
    figures = 100 * one.mean, 100 * one.quantile(0.5), 100 * one.quantile(0.95)
    return "{:16} {:6} {:7.2f} {:9.2f} {:7.2f}".format(one.left_out, len(one.errors), *figures)


def _num_overflowing(configurations: tuple[Configuration, ...]) -> int:
    return sum(point.overflows for one in configurations for point in one.points)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/silicon/silicon_reference.csv"))
    except (RaytideError, OSError) as error:
        sys.exit(str(error))
