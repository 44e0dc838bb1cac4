"""How the replicas that WVA wants become replicas: it only publishes a metric, which a HorizontalPodAutoscaler follows.

Source: llm-d/llm-d-workload-variant-autoscaler, charts/workload-variant-autoscaler/values.yaml (240 s of stabilisation
in both directions, 10 pods per 150 s) and config/samples/hpa-integration.yaml (none, 10 pods per 15 s).
Kinder than the product: the autoscaler's tolerance of 10 % would swallow a step of one beside more than ten replicas,
and the autoscaler runs with WVA rather than on its own 15 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.simulate.baselines.hpa import Behaviour, Pace, Scaling, paced
from raytide.autoscaling.terms import Terms

DEFAULT_COST: Final = 10.0
"""The cost of a variant that declares none."""

CHART: Final = Behaviour(
    up=Pace(pods=10, share=0.0, period_s=150.0, stabilisation_s=240.0),
    down=Pace(pods=10, share=0.0, period_s=150.0, stabilisation_s=240.0),
)
SAMPLE: Final = Behaviour(
    up=Pace(pods=10, share=0.0, period_s=15.0, stabilisation_s=0.0),
    down=Pace(pods=10, share=0.0, period_s=15.0, stabilisation_s=0.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuated:
    """What the autoscaler of each variant remembers, in the order of the observation, and what WVA asked of it."""

    scalings: tuple[Scaling, ...]
    desired: Mapping[str, int]

    def follow(
        self, observation: Observation, desired: Mapping[str, int], behaviour: Behaviour, now_s: float
    ) -> tuple[dict[str, int], Actuated]:
        """Where each autoscaler goes on these wishes, and what is remembered then."""
        moved = [
            paced(view.target, desired[view.name], behaviour, scaling, now_s)
            for view, scaling in zip(observation.variants, self.scalings, strict=True)
        ]
        targets = {view.name: target for view, (target, _) in zip(observation.variants, moved, strict=True)}
        return targets, Actuated(scalings=tuple(scaling for _, scaling in moved), desired=desired)


def started(observation: Observation) -> Actuated:
    """What runs counts as wanted, and as recommended just now."""
    return Actuated(
        scalings=tuple(Scaling(recommended=((observation.at_s, view.target),)) for view in observation.variants),
        desired={view.name: view.target for view in observation.variants},
    )


def cost_of(name: str, terms: Terms) -> float:
    """Cost of one replica of the variant."""
    price = terms.variant(name).usd_per_hour
    return DEFAULT_COST if isinstance(price, Missing) else price
