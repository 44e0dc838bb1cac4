"""The replicas of a simulated service through their lives: ordered, starting, ready, draining, gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from raytide.autoscaling.latency import NUM_BINS
from raytide.autoscaling.missing import Missing
from raytide.autoscaling.observation import Gauges
from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.simulate import kernel
from raytide.autoscaling.simulate.kernel import World
from raytide.autoscaling.simulate.traces.trace import Trace
from raytide.autoscaling.terms import Terms, Variant

SPARE_SLOTS: Final = 24
"""Places for replicas that still drain beside a full fleet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One replica, from its order to its end: what is paid for."""

    variant: int
    ordered_s: float
    ready_s: float
    """Infinite where it was cancelled before."""
    gone_s: float


class Fleet:
    """Mutable, because the compiled loop works in place; owned by one run."""

    def __init__(
        self, requests: NDArray[Any], terms: Terms, router: int, seed: int, class_of: NDArray[np.int64] | None = None
    ) -> None:
        self._names = [variant.name for variant in terms.variants]
        self._classes = [one.name for one in terms.classes]
        slots = 3 * terms.max_replicas + SPARE_SLOTS
        engines = _engines(terms)
        places = (slots, int(engines["max_num_seqs"].max()) + 1)
        self.replicas = _slots(slots)
        # Views into the same memory: naming a column anew costs more than reading it.
        self._status, self._variant = self.replicas["status"], self.replicas["variant"]
        self._ready_s, self._end_s = self.replicas["ready_s"], self.replicas["end_s"]
        self.world = World(
            requests=requests,
            engines=engines,
            replicas=self.replicas,
            batch=np.zeros(places, dtype=np.int64),
            finish_step=np.zeros(places, dtype=np.int64),
            admission=np.zeros(places, dtype=np.int64),
            fresh=np.zeros(places, dtype=np.int64),
            sums=np.zeros((len(terms.variants), kernel.NUM_SUMS)),
            ttft=np.zeros(NUM_BINS, dtype=np.int64),
            tpot=np.zeros(NUM_BINS, dtype=np.int64),
            bounds_s=np.array([terms.objective.ttft_s, terms.objective.tpot_s]),
            gateway=np.zeros(kernel.NUM_GATEWAY, dtype=np.int64),
            class_of=np.full(len(requests), kernel.NONE) if class_of is None else class_of,
            served=np.ones(len(terms.classes)),
            credit=np.zeros(len(terms.classes)),
            shed=np.zeros(len(requests), dtype=np.bool_),
        )
        self.world.gateway[kernel.ROUTER] = router
        self.world.gateway[kernel.RANDOM] = seed
        self._ordered_s = np.zeros(slots)
        self._deadline_s = np.full(slots, np.inf)
        self.lives: list[Life] = []
        self.num_aborted = 0
        self._now_s = 0.0

    def advance(self, until_s: float) -> None:
        """Serve until `until_s`."""
        kernel.advance(self.world, self._now_s, float(until_s))
        self._now_s = float(until_s)

    def admit(self, served: Mapping[str, float]) -> None:
        """Let in these shares of the classes from now on; all of a class that is not named."""
        self.world.served[:] = [served.get(name, 1.0) for name in self._classes]

    def variant(self, name: str) -> int:
        """The index of a variant."""
        return self._names.index(name)

    def num(self, variant: int, *statuses: int) -> int:
        """Replicas of a variant in any of these states."""
        held = self._status[self._variant == variant]
        return sum(int(np.count_nonzero(held == status)) for status in statuses)

    def of(self, variant: int, status: int) -> NDArray[np.int64]:
        """Slots of a variant in a state."""
        return np.flatnonzero((self._status == status) & (self._variant == variant))

    def order(self, variant: int, now_s: float, ready_s: float) -> bool:
        """Start a replica; False where no slot is free because too many still drain."""
        free = np.flatnonzero(self._status == kernel.FREE)
        if not len(free):
            return False
        slot = int(free[0])
        _clear(self.replicas, slot)
        self._variant[slot] = variant
        self._status[slot] = kernel.STARTING if ready_s > now_s else kernel.READY
        self._ready_s[slot] = ready_s
        self._ordered_s[slot] = now_s
        self._deadline_s[slot] = np.inf
        return True

    def stop(self, variant: int, count: int, now_s: float, drain_s: float) -> None:
        """Stop this many: the youngest that are still starting first, then the ready ones with the least work."""
        starting = sorted(self.of(variant, kernel.STARTING), key=lambda slot: -self._ordered_s[slot])
        for slot in starting[:count]:
            self._end(int(slot), now_s)
        self.drain(variant, count - len(starting[:count]), now_s, drain_s)

    def drain(self, variant: int, count: int, now_s: float, drain_s: float) -> int:
        """Take no new work on `count` ready replicas, and end each when it is empty, at the latest after `drain_s`.

        Returns how many there were.
        """
        ready = sorted(self.of(variant, kernel.READY), key=lambda slot: (self._work(int(slot)), -self._ordered_s[slot]))
        drained = ready[: max(count, 0)]
        for slot in drained:
            self._status[slot] = kernel.DRAINING
            self._deadline_s[slot] = now_s + drain_s
            if self._end_s[slot] == kernel.NEVER:
                self._end(int(slot), now_s)
        return len(drained)

    def next_deadline_s(self) -> float:
        """When the next draining replica is stopped, whatever it serves; infinite where none drains."""
        return float(self._deadline_s[self._status == kernel.DRAINING].min(initial=np.inf))

    def settle(self, now_s: float) -> None:
        """Enter the replicas that have drained, and abort what outlives its deadline."""
        for slot in np.flatnonzero(self._status == kernel.GONE):
            self._end(int(slot), float(self.replicas["gone_s"][slot]))
        late = (self._status == kernel.DRAINING) & (self._deadline_s <= now_s)
        for slot in np.flatnonzero(late):
            self.num_aborted += kernel.outstanding(self.replicas[slot])
            self._end(int(slot), now_s)

    def slow(self, factor: float) -> None:
        """The first ready replica becomes slow."""
        ready = np.flatnonzero(self._status == kernel.READY)
        self.replicas["slowness"][ready[:1]] = factor

    def close(self, now_s: float) -> None:
        """End everything: the run is over."""
        for slot in np.flatnonzero(self._status != kernel.FREE):
            self._end(int(slot), now_s)

    def starting_for_s(self, variant: int, now_s: float) -> tuple[float, ...]:
        """How long each replica has been starting, oldest first."""
        ordered_s = self._ordered_s[self.of(variant, kernel.STARTING)]
        return tuple(float(now_s - at_s) for at_s in np.sort(ordered_s))

    def became_ready_after_s(self, variant: int, since_s: float, until_s: float) -> tuple[float, ...]:
        """The starts that ended in `(since_s, until_s]`, as durations."""
        ready = self.of(variant, kernel.READY)
        new = ready[(self._ready_s[ready] > since_s) & (self._ready_s[ready] <= until_s)]
        return tuple(float(self._ready_s[slot] - self._ordered_s[slot]) for slot in new)

    def gauges(self, variant: int) -> Gauges | Missing:
        """How the ready replicas stand."""
        held = self.replicas[self.of(variant, kernel.READY)]
        if not len(held):
            return Missing(reason="no replica is ready")
        return Gauges(
            running=held["running"] + held["num_fresh"] + (held["partial"] != kernel.NONE),
            waiting=held["waiting"],
            waiting_prompt_tokens=held["waiting_tokens"],
            kv_tokens=held["held_tokens"],
        )

    def _work(self, slot: int) -> int:
        return int(kernel.outstanding(self.replicas[slot]))

    def _end(self, slot: int, now_s: float) -> None:
        self.lives.append(
            Life(
                variant=int(self._variant[slot]),
                ordered_s=float(self._ordered_s[slot]),
                ready_s=float(self._ready_s[slot]) if self._ready_s[slot] <= now_s else np.inf,
                gone_s=now_s,
            )
        )
        self._status[slot] = kernel.FREE


def _engines(terms: Terms) -> NDArray[Any]:
    engines = np.zeros(len(terms.variants), dtype=kernel.ENGINE)
    for row, variant in zip(engines, terms.variants, strict=True):
        engine = _known(variant)
        for name in ("base_s", "per_sequence_s", "per_root_sequence_s", "per_kv_token_s", "per_prefill_token_s"):
            row[name] = getattr(engine.iteration, name)
        for name in ("kv_capacity_tokens", "chunk_tokens", "max_num_seqs"):
            row[name] = getattr(engine, name)
        row["weight"] = 1.0 / engine.iteration.base_s
    engines["weight"] /= engines["weight"].max()
    return engines


def _known(variant: Variant) -> Engine:
    if isinstance(variant.engine, Missing):
        raise ValueError(f"variant {variant.name} has no engine to simulate: {variant.engine.reason}")
    return variant.engine


def _slots(num: int) -> NDArray[Any]:
    replicas = np.zeros(num, dtype=kernel.REPLICA)
    for slot in range(num):
        _clear(replicas, slot)
    return replicas


def _clear(replicas: NDArray[Any], slot: int) -> None:
    empty = np.zeros((), dtype=kernel.REPLICA)
    empty["slowness"], empty["end_s"], empty["partial"] = 1.0, np.inf, kernel.NONE
    replicas[slot] = empty


def classes_of(trace: Trace, terms: Terms, num_laps: int) -> NDArray[np.int64]:
    """The traffic class of every request of so many laps; NONE where the trace or the terms name no classes."""
    if trace.class_of is None or not terms.classes:
        return np.full(num_laps * len(trace), kernel.NONE)
    assert trace.class_of.max() < len(terms.classes), "the trace was read with the classes of other terms"
    return np.tile(trace.class_of, num_laps).astype(np.int64)


def requests_of(trace: Trace, num_laps: int) -> NDArray[Any]:
    """The requests of so many laps of the trace, none of which has arrived yet."""
    requests = np.zeros(num_laps * len(trace), dtype=kernel.REQUEST)
    starts_s = np.arange(num_laps) * trace.span_s
    requests["arrival_s"] = (trace.arrival_s[None, :] + starts_s[:, None]).ravel()
    requests["prompt_tokens"] = np.tile(trace.prompt_tokens, num_laps)
    requests["output_tokens"] = np.tile(trace.output_tokens, num_laps)
    requests["cached_tokens"] = 0 if trace.cached_tokens is None else np.tile(trace.cached_tokens, num_laps)
    requests["first_token_s"] = requests["finish_s"] = np.nan
    requests["generated"], requests["following"] = 0, kernel.NONE
    return requests
