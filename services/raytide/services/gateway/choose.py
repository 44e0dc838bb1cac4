"""Which replica a request goes to: the one whose predicted latency strains the objectives least, or its session's.

The strain and not the last token decides: a fast replica with a queue may finish a request before a slow one that is
free, and still keep it from its first token for longer than its client was promised.

A session is hashed to a replica by rendezvous (highest random weight), so that a replica that comes or goes moves only
its own sessions. It stays there while that costs little: a session must not wait in one queue while others are empty
(consistent hashing with bounded loads, Mirrokni, Thorup and Zadimoghaddam 2016, with predicted latency as the load).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from raytide.autoscaling.performance.engine import Engine
from raytide.autoscaling.terms import Objective
from raytide.services.gateway.predict import Prediction, Standing, predicted

STAYS_WITHIN: Final = 1.25
"""Times the least strain that a session bears for the prefix that its replica may have cached."""
LOOKED_AT: Final = 32
"""Of more replicas only so many are looked at, by chance: their best is nearly the best of all (Mitzenmacher 2001), and
each takes 4 µs."""
_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A replica that may take the request."""

    replica: str
    seed: int
    """Of its name, `seed_of`."""
    engine: Engine
    standing: Standing


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a request goes, and when it is answered there."""

    replica: str
    prediction: Prediction


def seed_of(text: str) -> int:
    """64 bits that are the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest())


def share_of(session: str) -> float:
    """Where a session stands among all of them, from 0 to below 1; the same in every gateway."""
    return seed_of(f"share of {session}") / 2**64


def some_of(candidates: Sequence[Candidate], session: str | None, random: Random) -> Sequence[Candidate]:
    """So many of the candidates as are looked at, the session's own first one among them."""
    if len(candidates) <= LOOKED_AT:
        return candidates
    some = random.sample(candidates, LOOKED_AT)
    if session is not None:
        of_session = seed_of(session)
        some.append(max(candidates, key=lambda each: _weight(of_session, each.seed)))
    return some


def choose(
    candidates: Sequence[Candidate],
    prompt_tokens: float,
    output_tokens: float,
    usual_output_tokens: float,
    objective: Objective,
    session: str | None = None,
) -> Choice | None:
    """The best of the candidates; None where there is none."""
    predictions = [
        predicted(each.engine, each.standing, prompt_tokens, output_tokens, usual_output_tokens) for each in candidates
    ]
    if not predictions:
        return None
    strains = [each.strain(objective, output_tokens) for each in predictions]
    best = min(range(len(candidates)), key=lambda at: (strains[at], predictions[at].last_token_s))
    if session is not None:
        best = _of_session(session, candidates, strains)
    return Choice(candidates[best].replica, predictions[best])


def _of_session(session: str, candidates: Sequence[Candidate], strains: Sequence[float]) -> int:
    """The first in the session's own order that is near the best; the best itself is among them."""
    of_session, least = seed_of(session), min(strains)
    near = [at for at, strain in enumerate(strains) if strain <= STAYS_WITHIN * least]
    return max(near, key=lambda at: _weight(of_session, candidates[at].seed))


def _weight(session: int, replica: int) -> int:
    """Mixes both, so that neither alone decides (the finaliser of splitmix64)."""
    mixed = ((session ^ replica) * _MULTIPLIER) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)
