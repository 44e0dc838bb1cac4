"""Writes development workloads as plain traces: python benchmarks/write_workloads.py DATA OUT [--seed N] [NAME…]."""

from __future__ import annotations

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.simulate.workloads import development, development_names


def main() -> None:
    """One CSV file for each name; every workload where none is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds traces/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(development_names())}")
    given = parser.parse_intermixed_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name, trace in development(given.data, given.seed, given.names or None).items():
        _write(trace, given.out / f"{name}.csv")


def _write(trace: Trace, path: Path) -> None:
    columns = {
        "arrival_s": trace.arrival_s.round(6),
        "prompt_tokens": trace.prompt_tokens,
        "output_tokens": trace.output_tokens,
    }
    pc.write_csv(pa.table(columns), path, pc.WriteOptions(quoting_style="none"))


if __name__ == "__main__":
    main()
