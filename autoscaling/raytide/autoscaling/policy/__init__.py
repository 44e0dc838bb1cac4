"""The decision: what raytide exists for. `Raytide.decide` is pure; the live loop, the simulator and tests call it."""

from raytide.autoscaling.policy.raytide import Raytide, settings
from raytide.autoscaling.policy.settings import Settings

__all__ = ["Raytide", "Settings", "settings"]
