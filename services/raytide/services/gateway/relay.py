"""Sending a request to the best replica, and to another one where that does not answer, until its first byte is there.

After the first byte there is no second try: the client has a part of an answer that no other replica would continue.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator
from typing import Final

from raytide.services.gateway.asked import Asked
from raytide.services.gateway.choose import Choice, choose, some_of
from raytide.services.gateway.fleet import Fleet, Sent
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.refusal import UPSTREAM, Refusal, Refused, unavailable
from raytide.services.gateway.upstream import Answer, Client, UpstreamLost

TRIES: Final = 3
_ELSEWHERE: Final = (502, 503)
"""What a replica answers that cannot take the request; another one may."""
_EVENTS: Final = b"text/event-stream"
_RETRY_S: Final = 5.0


class Opened:
    """An answer that has begun."""

    def __init__(self, answer: Answer, first: bytes, rest: AsyncIterator[bytes], sent: Sent) -> None:
        self.status = answer.status
        self.content_type = answer.content_type
        self.is_stream = answer.content_type.startswith(_EVENTS)
        self.first = first
        """All of the body where it is no stream."""
        self.rest = rest
        """Raises `UpstreamLost` where it breaks off."""
        self._answer, self._sent = answer, sent

    async def close(self) -> None:
        """Nothing more is wanted of it."""
        self._sent.ended()
        await self._answer.close()


class Relay:
    """The way to the replicas."""

    def __init__(self, client: Client, metrics: Metrics) -> None:
        self._client, self._metrics = client, metrics
        self._random = random.Random()  # noqa: S311 (which replicas are looked at is no secret)

    def best(self, fleet: Fleet, asked: Asked, without: set[str]) -> Choice | None:
        """Where the request would go now."""
        usual = fleet.usual_output_tokens
        candidates = some_of(fleet.candidates(time.monotonic(), without), asked.session, self._random)
        output_tokens = asked.estimated_output_tokens(usual)
        return choose(candidates, fleet.prompt_tokens(asked), output_tokens, usual, asked.session)

    async def open(self, fleet: Fleet, asked: Asked, body: bytes, request_id: str) -> Opened:
        """The answer's beginning; where it is no stream, the whole answer, so that one that breaks off is tried again.

        Raises:
            Refused: no replica answers.
        """
        tried: set[str] = set()
        service = fleet.routes.service
        while (choice := self.best(fleet, asked, tried)) and len(tried) < TRIES:
            if tried:
                self._metrics.retried.labels(service).inc()
            tried.add(choice.replica)
            try:
                return await self._try(fleet, choice.replica, asked, body, request_id)
            except UpstreamLost:
                fleet.suspect(choice.replica, time.monotonic())
        if tried:
            message = f"{len(tried)} replicas of {service} did not answer"
            raise Refused(
                Refusal(status=502, kind=UPSTREAM, code="replica_lost", message=message, retry_after_s=_RETRY_S)
            )
        raise Refused(unavailable(f"{service} has no replica", "no_replica", _RETRY_S))

    async def _try(self, fleet: Fleet, name: str, asked: Asked, body: bytes, request_id: str) -> Opened:
        replica = fleet.replica(name)
        sent = replica.send(asked.num_sequences, fleet.prompt_tokens(asked))
        try:
            answer = await self._client.post(replica.upstream.address, asked.path, body, request_id)
            try:
                opened = await _begun(answer, sent)
            except BaseException:
                await answer.close()
                raise
        except BaseException:
            sent.ended()
            raise
        sent.answers()
        return opened


async def _begun(answer: Answer, sent: Sent) -> Opened:
    if answer.status in _ELSEWHERE:
        raise UpstreamLost(f"the replica answers {answer.status}")
    pieces = answer.pieces()
    if answer.content_type.startswith(_EVENTS):
        first = await anext(pieces, b"")
        if not first:
            raise UpstreamLost("the stream ended before it began")
    else:
        first = b"".join([piece async for piece in pieces])
    return Opened(answer, first, pieces, sent)
