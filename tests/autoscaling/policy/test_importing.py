from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from raytide.autoscaling.decision import Decision
from raytide.autoscaling.journal import Entry, entered, replay, write
from raytide.autoscaling.observation import Observation
from raytide.autoscaling.policy import Raytide
from raytide.autoscaling.policy.knowledge import Knowledge
from raytide.autoscaling.simulate.conditions import Conditions
from raytide.autoscaling.simulate.policies import RAYTIDE, settings_of
from raytide.autoscaling.simulate.run import play
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms

MOST_S = 0.35
PROGRAM = """
import json, sys, time
import numpy
began_s = time.process_time()
import raytide.autoscaling.policy
print(json.dumps([time.process_time() - began_s, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def test_importing_the_policy_is_fast_and_loads_no_solver() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    took_s, modules = json.loads(ran.stdout)
    assert took_s < MOST_S
    assert not {"scipy", "numba", "highspy", "ray", "torch", "pydantic"} & set(modules)


@dataclass(kw_only=True)
class Recording:
    """A policy whose decisions are entered in a journal."""

    policy: Raytide
    entries: list[Entry] = field(default_factory=list)
    begins: bool = False

    @property
    def name(self) -> str:
        return self.policy.name

    @property
    def interval_s(self) -> float:
        return self.policy.interval_s

    def begin(self, observation: Observation, terms: Terms) -> Knowledge:
        self.begins = True
        return self.policy.begin(observation, terms)

    def decide(self, observation: Observation, terms: Terms, state: Knowledge, now_s: float) -> Decision:
        decision = self.policy.decide(observation, terms, state, now_s)
        self.entries.append(entered(self.policy, terms, observation, decision, begins=self.begins))
        self.begins = False
        return decision


def test_the_simulator_plays_the_class_that_decides_live() -> None:
    assert all(type(policy) is Raytide for policy in settings_of(RAYTIDE))


def test_what_was_decided_in_the_simulator_is_replayed_bit_for_bit(terms_of: Callable[..., Terms]) -> None:
    random = np.random.default_rng(1)
    arrival_s = np.sort(random.uniform(0, 300, 3000))
    trace = Trace(
        name="made",
        arrival_s=arrival_s,
        prompt_tokens=random.integers(50, 2000, 3000).astype(np.int32),
        output_tokens=random.integers(1, 300, 3000).astype(np.int32),
        span_s=300.0,
    )
    recording = Recording(policy=Raytide())
    play(trace, recording, terms_of(), Conditions(metric_loss=0.1))
    pairs = list(replay(write(recording.entries)))
    assert len(pairs) >= 119
    assert all(recorded == replayed for recorded, replayed in pairs)
