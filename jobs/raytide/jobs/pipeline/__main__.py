"""`python -m raytide.jobs.pipeline FILE [--set KEY=VALUE …]`."""

import argparse
import sys
from pathlib import Path

from raytide.jobs.entry import exit_code_of
from raytide.jobs.pipeline.declared import read_pipeline
from raytide.jobs.pipeline.jobs import RayJobs
from raytide.jobs.pipeline.run import run


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m raytide.jobs.pipeline", description="Runs a pipeline's steps.")
    parser.add_argument("file", type=Path, help="a file of kind: Pipeline")
    parser.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[])
    arguments = parser.parse_args()
    run(read_pipeline(arguments.file, tuple(arguments.overrides)), RayJobs())


sys.exit(exit_code_of(_main))
