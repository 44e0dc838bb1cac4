from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.decision import Rule
from raytide.autoscaling.simulate.baselines.static import Static


def test_a_fixed_number_stays_whatever_comes(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    static = loop(Static(num_replicas=6))
    assert static.target(seen(ready=1)) == 6
    assert static.target(seen(ready=6, running=1000, waiting=5000)) == 6
    assert static.target(seen(ready=6, gauges=False)) == 6


def test_a_fixed_number_above_the_maximum_is_the_maximum(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    decided = loop(Static(num_replicas=24), max_replicas=20).see(seen()).variants[0]
    assert (decided.target, decided.binding.rule) == (20, Rule.MAX_REPLICAS)
