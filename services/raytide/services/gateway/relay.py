"""Sending a request to the best replica, and to another one where that does not answer, until its first byte is there.

After the first byte there is no second try: the client has a part of an answer that no other replica would continue.
Before it, a request whose every replica is gone has lost nothing but time, and waits for the next one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from raytide.services.gateway.asked import Asked
from raytide.services.gateway.choose import Choice, choose, some_of
from raytide.services.gateway.fleet import Fleet, Sent
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.predict import IDLE, predicted
from raytide.services.gateway.refusal import UPSTREAM, Refusal, Refused
from raytide.services.gateway.upstream import Answer, Client, UpstreamDeclines, UpstreamGone, UpstreamLost, let_in

TRIES: Final = 3
"""A request that ends the replicas which take it must not end all of them."""
AGAIN_S: Final = 0.1
"""Before a request goes once more to a replica that lost it: a process that ends has closed its port by then."""
_ELSEWHERE: Final = (401, 502, 503)
"""What a replica answers that cannot take the request; another one may. 401: it is not the one that the table names."""
_EVENTS: Final = b"text/event-stream"
_RETRY_S: Final = 5.0


class Opened:
    """An answer that has begun."""

    def __init__(self, replica: str, answer: Answer, first: bytes, rest: AsyncIterator[bytes], sent: Sent) -> None:
        self.replica = replica
        self.status = answer.status
        self.content_type = answer.content_type
        self.is_stream = answer.content_type.startswith(_EVENTS)
        self.first = first
        """All of the body where it is no stream."""
        self.rest = rest
        """Raises `UpstreamLost` where it breaks off."""
        self._answer, self._sent = answer, sent
        self.pause, self.resume = answer.pause, answer.resume

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        """The rest of the body into `sink`, instead of reading it piece by piece."""
        await self._answer.pour(sink)

    async def close(self) -> None:
        """Nothing more is wanted of it."""
        self._sent.ended()
        await self._answer.close()


@dataclass(slots=True)
class Tries:
    """Where one request was sent in vain."""

    num: int = 0
    """Times that count: a replica that takes no connection never had the request, and counts once it is met again."""
    met: set[str] = field(default_factory=set)
    declined: set[str] = field(default_factory=set)
    """Of these, the replicas that are not asked again."""

    def note(self, replica: str, lost: UpstreamLost) -> None:
        """It did not answer there."""
        if not isinstance(lost, UpstreamGone) or replica in self.met:
            self.num += 1
        if isinstance(lost, UpstreamDeclines):
            self.declined.add(replica)
        self.met.add(replica)


class Relay:
    """The way to the replicas."""

    def __init__(self, client: Client, metrics: Metrics) -> None:
        self._client, self._metrics = client, metrics
        self._random = random.Random()  # noqa: S311 (which replicas are looked at is no secret)

    def best(self, fleet: Fleet, asked: Asked, without: Collection[str] = ()) -> Choice | None:
        """Where the request would go now."""
        usual = fleet.usual_output_tokens
        candidates = some_of(fleet.candidates(time.monotonic(), without), asked.session, self._random)
        output_tokens = asked.estimated_output_tokens(usual)
        objective = fleet.routes.objective
        return choose(candidates, fleet.prompt_tokens(asked), output_tokens, usual, objective, asked.session)

    def could_begin(self, fleet: Fleet, asked: Asked, within_s: float) -> bool:
        """Whether the first token would come within this time at some replica, if that had nothing else to do."""
        prompt_tokens, usual = fleet.prompt_tokens(asked), fleet.usual_output_tokens
        alone = (predicted(each.engine, IDLE, prompt_tokens, 0.0, usual) for each in fleet.candidates(time.monotonic()))
        return any(each.first_token_s <= within_s for each in alone)

    async def open(
        self,
        fleet: Fleet,
        asked: Asked,
        body: bytes,
        headers: Mapping[str, str],
        tries: Tries,
        best: Choice | None = None,
    ) -> Opened | None:
        """The answer's beginning; where it is no stream, the whole answer, so that one that breaks off is tried again.

        `best` is where it would go now, if that has just been asked. None where every replica that the table names is
        gone: the request may wait for another one.

        Raises:
            Refused: no replica answers.
        """
        choice = None if tries.met else best
        while tries.num < TRIES and (choice := choice or await self._next(fleet, asked, tries)):
            if tries.met:
                self._metrics.retried.labels(fleet.routes.service).inc()
            try:
                return await self._try(fleet, choice.replica, asked, body, headers)
            except UpstreamLost as lost:
                tries.note(choice.replica, lost)
                _mistrust(fleet, choice.replica, lost)
                choice = None
        if tries.num < TRIES and not fleet.is_ready:
            return None
        raise Refused(_unanswered(fleet, tries))

    async def _next(self, fleet: Fleet, asked: Asked, tries: Tries) -> Choice | None:
        """A replica that has not met the request; where there is none, after a moment, one that may take it again."""
        if choice := self.best(fleet, asked, tries.met):
            return choice
        if tries.met:
            await asyncio.sleep(AGAIN_S)
        return self.best(fleet, asked, tries.declined)

    async def _try(self, fleet: Fleet, name: str, asked: Asked, body: bytes, headers: Mapping[str, str]) -> Opened:
        replica = fleet.replica(name)
        sent = replica.send(asked.num_sequences, fleet.prompt_tokens(asked))
        try:
            upstream = replica.upstream
            answer = await self._client.post(upstream.address, asked.path, body, {**headers, **let_in(upstream)})
            try:
                opened = await _begun(name, answer, sent)
            except BaseException:
                await answer.close()
                raise
        except BaseException:
            sent.ended()
            raise
        sent.answers()
        return opened


def _mistrust(fleet: Fleet, replica: str, lost: UpstreamLost) -> None:
    if isinstance(lost, UpstreamGone):
        fleet.lose(replica)
    else:
        fleet.suspect(replica, time.monotonic())


def _unanswered(fleet: Fleet, tries: Tries) -> Refusal:
    message = f"{len(tries.met)} replicas of {fleet.routes.service} did not answer"
    return Refusal(status=502, kind=UPSTREAM, code="replica_lost", message=message, retry_after_s=_RETRY_S)


async def _begun(replica: str, answer: Answer, sent: Sent) -> Opened:
    if answer.status in _ELSEWHERE:
        raise UpstreamDeclines(f"the replica answers {answer.status}")
    pieces = answer.pieces()
    if answer.content_type.startswith(_EVENTS):
        first = await anext(pieces, b"")
        if not first:
            raise UpstreamLost("the stream ended before it began")
    else:
        first = b"".join([piece async for piece in pieces])
    return Opened(replica, answer, first, pieces, sent)
