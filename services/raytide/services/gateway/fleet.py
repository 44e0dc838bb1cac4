"""One service's replicas, as the brain's latest table and what this gateway itself has sent them tell.

A table is a second old, and requests come faster. So what this gateway sent counts as it is now, and the table only
tells what others sent: its figure, less what this gateway had under way when the table came.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from raytide.autoscaling.live.routes import Routes, Upstream
from raytide.autoscaling.rollout.split import Split
from raytide.services.gateway.access import Access, access_of
from raytide.services.gateway.asked import Asked
from raytide.services.gateway.choose import Candidate, seed_of
from raytide.services.gateway.classes import Classes
from raytide.services.gateway.counts import Counts
from raytide.services.gateway.predict import Standing

_USUAL_OUTPUT_TOKENS: Final = 128.0
"""Of an answer, until some were seen."""
_LONGEST_CONTEXT: Final = 2**20
"""Of any model: what a service that has never had a replica may cost at most must not be taken for less."""
_SUSPECT_S: Final = 5.0
"""A brain hears from its replicas once a second, and forgets one that is silent."""
_SHARES_S: Final = 30.0
"""How long the brain's word holds that some of a class are turned away: a refusal needs a reason of today."""
_WEIGHT: Final = 0.02
"""Of one answer in the mean: the last fifty count."""


@dataclass(slots=True)
class _Work:
    """What this gateway has under way at one replica."""

    sequences: int = 0
    unfilled_tokens: int = 0
    kv_tokens: int = 0


class Replica:
    """One upstream."""

    def __init__(self, upstream: Upstream) -> None:
        self.name = upstream.replica
        self.seed = seed_of(upstream.replica)
        self._own = _Work()
        self.see(upstream)

    def see(self, upstream: Upstream) -> None:
        """Take over what the replica reported last."""
        own = self._own
        self.upstream = upstream
        self._others = Standing(
            max(0, upstream.running + upstream.waiting - own.sequences),
            max(0, upstream.waiting_prompt_tokens - own.unfilled_tokens),
            max(0, upstream.kv_tokens - own.kv_tokens),
        )

    @property
    def candidate(self) -> Candidate:
        """As it stands now."""
        own, others = self._own, self._others
        standing = Standing(
            others.sequences + own.sequences,
            others.unfilled_tokens + own.unfilled_tokens,
            others.kv_tokens + own.kv_tokens,
        )
        return Candidate(self.name, self.seed, self.upstream.engine, standing)

    def send(self, num_sequences: int, prompt_tokens: int) -> Sent:
        """A request goes there; say at what it is, and when it has ended."""
        return Sent(self._own, num_sequences, prompt_tokens)


class Sent:
    """A request under way at a replica."""

    def __init__(self, work: _Work, num_sequences: int, prompt_tokens: int) -> None:
        self._work, self._num_sequences = work, max(1, num_sequences)
        self._prompt_tokens = self._unfilled = prompt_tokens
        work.sequences += self._num_sequences
        work.unfilled_tokens += prompt_tokens
        work.kv_tokens += prompt_tokens

    def answers(self) -> None:
        """Its first byte has come: the prompt is computed."""
        self._work.unfilled_tokens -= self._unfilled
        self._unfilled = 0

    def ended(self) -> None:
        """It is nobody's work any more."""
        self.answers()
        self._work.sequences -= self._num_sequences
        self._work.kv_tokens -= self._prompt_tokens


class Fleet:
    """The replicas of one revision of a service, and the service's rules."""

    def __init__(self, routes: Routes) -> None:
        self._replicas: dict[str, Replica] = {}
        self.usual_output_tokens = _USUAL_OUTPUT_TOKENS
        self._estimated_tokens = self._counted_tokens = 0.0
        self.models: frozenset[str] = frozenset()
        """Names that its engines answer to, the service's own and adapters; empty until one was asked."""
        self.max_model_len: int | None = None
        """The model's context, once an engine was asked."""
        self.prefix = ""
        """Where the service answers."""
        self.counts = Counts()
        """What clients have met here."""
        self.classes = Classes()
        """Who came."""
        self._split = Split()
        self._learnt_of: str | None = None
        self._suspects: dict[str, float] = {}
        self._gone: dict[str, int] = {}
        """Replicas that take no connections, and the number of the last report that the table had of each."""
        self.see(routes)

    def see(self, routes: Routes) -> None:
        """Take over the latest table."""
        self.routes = routes
        self._told_s = time.monotonic()
        self.access: Access = access_of(routes.access)
        before, self._replicas = self._replicas, {}
        for upstream in routes.upstreams:
            replica = before.get(upstream.replica)
            if replica is None:
                replica = Replica(upstream)
            else:
                replica.see(upstream)
            self._replicas[upstream.replica] = replica
        self._gone = {name: report for name, report in self._gone.items() if self._reports(name) == report}
        self.context_tokens = self._context_tokens()
        """Most tokens of one sequence: the model's context, or what fits into a replica until that is known."""

    def lose(self, name: str) -> None:
        """Nobody takes connections there: not to be tried until the replica reports again, or another one comes."""
        if (report := self._reports(name)) is not None:
            self._gone[name] = report

    @property
    def is_ready(self) -> bool:
        """Whether a replica takes requests."""
        return bool(self._replicas.keys() - self._gone.keys())

    def is_next(self) -> bool:
        """Whether the service's next request is this canary's: every hundredth is at a share of 1 %."""
        taken, self._split = self._split.after(1, self.routes.share)
        return bool(taken)

    def entering(self, asked: Asked, name: str, now_s: float) -> AbstractContextManager[None]:
        """Around a request of this traffic class until it is answered; raises `Refused` where it is not let in."""
        served = self.routes.served if now_s - self._told_s <= _SHARES_S else {}
        return self.classes.entering(name, served.get(name, 1.0), self._usual_prompt_tokens(asked))

    def _usual_prompt_tokens(self, asked: Asked) -> int:
        """As engines have counted prompts of such a length lately: what they never see must not weigh more or less."""
        usual = self._counted_tokens / self._estimated_tokens if self._estimated_tokens else 1.0
        return round(usual * self.prompt_tokens(asked))

    def learn(self, models: frozenset[str], max_model_len: int | None) -> None:
        """What an engine says of its models."""
        self.models, self.max_model_len, self._learnt_of = models, max_model_len, self.routes.revision
        self.context_tokens = self._context_tokens()

    @property
    def knows_models(self) -> bool:
        """Whether an engine of this revision was asked."""
        return self._learnt_of == self.routes.revision

    def _context_tokens(self) -> int:
        if self.max_model_len is not None:
            return self.max_model_len
        fitting = [upstream.engine.kv_capacity_tokens for upstream in self.routes.upstreams]
        return max(fitting, default=_LONGEST_CONTEXT)

    def prompt_tokens(self, asked: Asked) -> int:
        """As estimated; the engine refuses what exceeds the context."""
        return min(asked.estimated_prompt_tokens, asked.num_prompts * self.context_tokens)

    def replica(self, name: str) -> Replica:
        """The replica of this name."""
        return self._replicas[name]

    def suspect(self, name: str, now_s: float) -> None:
        """The replica did not answer: the next table or the one after will tell whether it is gone."""
        self._suspects[name] = now_s + _SUSPECT_S

    def candidates(self, now_s: float, without: Collection[str] = ()) -> list[Candidate]:
        """Those that may take a request; such as did not answer lately only where there are no others."""
        if self._suspects:
            self._suspects = {name: until_s for name, until_s in self._suspects.items() if until_s > now_s}
        left = [each for name, each in self._replicas.items() if name not in without and name not in self._gone]
        trusted = [each for each in left if each.name not in self._suspects]
        return [each.candidate for each in trusted or left]

    def saw_answer(self, asked: Asked, prompt_tokens: int, output_tokens: float) -> None:
        """A prompt had so many tokens, and each answer to it so many."""
        self.usual_output_tokens += _WEIGHT * (output_tokens - self.usual_output_tokens)
        self._estimated_tokens += self.prompt_tokens(asked) - _WEIGHT * self._estimated_tokens
        self._counted_tokens += prompt_tokens - _WEIGHT * self._counted_tokens

    def _reports(self, name: str) -> int | None:
        """The number of its latest report; None where the table does not name it."""
        replica = self._replicas.get(name)
        return None if replica is None else replica.upstream.report
