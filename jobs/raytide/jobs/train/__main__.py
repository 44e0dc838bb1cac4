"""`python -m raytide.jobs.train FILE [--set KEY=VALUE …]`."""

import sys

from raytide.core.spec.train import TrainSpec
from raytide.jobs.entry import main
from raytide.jobs.train.run import run

sys.exit(main(TrainSpec, run))
