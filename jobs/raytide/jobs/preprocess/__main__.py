"""`python -m raytide.jobs.preprocess FILE [--set KEY=VALUE …]`."""

import sys

from raytide.core.spec.preprocess import PreprocessSpec
from raytide.jobs.entry import main
from raytide.jobs.preprocess.run import run

sys.exit(main(PreprocessSpec, run))
