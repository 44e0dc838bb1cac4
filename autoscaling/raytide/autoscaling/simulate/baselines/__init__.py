"""The peers' autoscalers: their published rules on our observations, so that a league of policies runs in one loop.

Each file is one product's rule as its source states it, with what was simplified said on top. None of this is a
measurement of a product: engines, routers and pods are the simulator's, and the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from raytide.autoscaling.decision import Policy


def _settings_of(module: str) -> Callable[[], tuple[Policy, ...]]:
    def settings() -> tuple[Policy, ...]:
        imported: tuple[Policy, ...] = import_module(f"{__name__}.{module}").settings()
        return imported

    return settings


_NAMES: Final = (
    "static",
    "hpa-waiting",
    "keda-running",
    "knative-kpa",
    "aibrix-apa",
    "aibrix-kpa",
    "melange",
    "ray-serve",
    "ray-ttft",
    "skyserve",
    "spothedge",
    "dstack",
    "wva-v1",
    "wva-v2",
    "wva-queueing",
    "llmd-slo",
    "llmd-tokens",
    "dynamo-throughput",
    "dynamo-load",
    "dynamo",
    "chiron",
    "sageserve",
    "tokenscale",
    "inferline",
    "autopilot",
)

PEERS: Final[Mapping[str, Callable[[], tuple[Policy, ...]]]] = MappingProxyType(
    {name: _settings_of(name.replace("-", "_")) for name in _NAMES}
)
"""By name: twelve settings of each, the product's defaults first. A module is imported when it is asked for."""
