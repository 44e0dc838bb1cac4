"""Back-of-the-envelope estimates that show their arithmetic: memory, latency, accelerators, time and cost."""

from raytide.core.estimate.against import Comparison, Errors, compare
from raytide.core.estimate.estimate import Estimate, estimate
from raytide.core.estimate.points import Point, Points, read_points
from raytide.core.estimate.scenario import Scenario
from raytide.core.estimate.step import Section, Step

__all__ = [
    "Comparison",
    "Errors",
    "Estimate",
    "Point",
    "Points",
    "Scenario",
    "Section",
    "Step",
    "compare",
    "estimate",
    "read_points",
]
