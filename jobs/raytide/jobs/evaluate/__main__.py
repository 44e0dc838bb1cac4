"""`python -m raytide.jobs.evaluate FILE [--set KEY=VALUE …]`."""

import sys

from raytide.core.spec.evaluate import EvaluateSpec
from raytide.jobs.entry import main
from raytide.jobs.evaluate.run import run

sys.exit(main(EvaluateSpec, run))
