"""TokenScale: tokens that arrive against the velocity at which a replica takes prompts in and lets requests go.

Source: arXiv 2512.03416. With λ the token arrival rates and V the velocities of one replica at its bounds,

    prefillers = λ_prompt / V_P                 V_P = prompt tokens/s of an engine that only prefills
    decoders   = (λ_prompt + λ_output) / V_D    V_D = batch·(I + O)/(O·TPOT): tokens released per second
    convertible = a share on top, decoders that take prompts in a burst

The paper's prefillers and decoders are separate. Here every replica is both, as a convertible decoder is, so

    n = ⌈(λ_prompt/V_P + (λ_prompt + λ_output)/V_D)·(1 + convertible)⌉

Simplified: output lengths are the mean of what finished, not predicted by request; the network's velocity is left out.
The paper does not say over how long it measures a rate: 10 s here, and a setting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytide.autoscaling.decision import Decision, Reason, Rule
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate.baselines.bounds import held, sized
from raytide.autoscaling.simulate.baselines.grid import grid
from raytide.autoscaling.simulate.baselines.measured import Lengths, Traffic, first_engine, prefill_tokens_per_s
from raytide.autoscaling.simulate.baselines.waking import asleep, woken
from raytide.autoscaling.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Arrivals over the short window, and lengths over the long one."""

    rate: Traffic
    lengths: Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScale:
    """One setting of the pool."""

    convertible: float = 0.1
    window_s: float = 10.0
    lengths_over_s: float = 300.0
    interval_s: float = 1.0
    name: str = "tokenscale"

    def begin(self, observation: Observation, terms: Terms) -> Arriving:
        """No traffic seen."""
        return Arriving(rate=Traffic(length_s=self.window_s), lengths=Traffic(length_s=self.lengths_over_s))

    def decide(self, observation: Observation, terms: Terms, state: Arriving, now_s: float) -> Decision:
        """As many replicas as let go of tokens as fast as tokens arrive."""
        if asleep(observation):
            return woken(observation, terms, state, now_s)
        demand, engine = observation.demand, first_engine(observation, terms)
        if isinstance(demand, Missing):
            return held(observation, terms, demand.reason, state, now_s)
        seen = Arriving(rate=state.rate.add(demand, now_s), lengths=state.lengths.add(demand, now_s))
        lengths = seen.lengths.lengths
        if isinstance(engine, Missing) or isinstance(lengths, Missing):
            return held(observation, terms, "the velocity of a replica is not known", seen, now_s)
        needed = needed_replicas(engine, lengths, seen.rate, terms.objective.tpot_s)
        wanted = math.ceil(round(needed * (1.0 + self.convertible), 9))
        facts = {"needed": needed, "arrivals_rps": seen.rate.rate_rps}
        reason = Reason(rule=Rule.DEMAND, says=f"tokens arrive at the velocity of {needed:.2f} replicas", facts=facts)
        return sized(observation, terms, wanted, (reason,), seen, now_s)


def needed_replicas(engine: Engine, lengths: Lengths, rate: Traffic, tpot_s: float) -> float:
    """Replicas for these arrivals, before rounding and without the convertible share."""
    if rate.sums.span_s <= 0.0:
        return 0.0
    prompt_per_s = rate.sums.prompt_tokens / rate.sums.span_s
    output_per_s = rate.rate_rps * lengths.output_tokens
    prefill = prompt_per_s / prefill_tokens_per_s(engine)
    return prefill + (prompt_per_s + output_per_s) / released_tokens_per_s(engine, lengths, tpot_s)


def released_tokens_per_s(engine: Engine, lengths: Lengths, tpot_s: float) -> float:
    """Tokens of finished requests per second, of an engine whose decode iterations take the TPOT bound at most."""
    prompt, output = lengths.prompt_tokens, lengths.output_tokens
    context = prompt + output / 2.0
    one_s = engine.iteration.seconds(1.0, context, 0.0) - engine.iteration.base_s
    by_time = (tpot_s - engine.iteration.base_s) / max(1e-12, one_s)
    batch = max(1.0, min(by_time, engine.kv_capacity_tokens / context, engine.max_num_seqs))
    return batch * (prompt + output) / (output * engine.iteration.seconds(batch, batch * context, 0.0))


def settings() -> tuple[TokenScale, ...]:
    """The convertible share, and how long a rate is measured."""
    return grid(TokenScale(), convertible=(0.1, 0.0, 0.25, 0.5), window_s=(10.0, 30.0, 60.0))
