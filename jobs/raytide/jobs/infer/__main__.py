"""`python -m raytide.jobs.infer FILE [--set KEY=VALUE …]`."""

import sys

from raytide.core.spec.infer import InferSpec
from raytide.jobs.entry import main
from raytide.jobs.infer.run import run

sys.exit(main(InferSpec, run))
