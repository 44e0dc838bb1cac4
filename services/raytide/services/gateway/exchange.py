"""One request from its first byte to its bill: let in, held, sent, relayed, settled.

Everything that is decided on the way is decided elsewhere; this is the order of it.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final

from starlette.types import Message, Receive, Send

from raytide.services.gateway.admission import class_of, patience_s, turned_away
from raytide.services.gateway.asked import Asked, asked_of, with_usage
from raytide.services.gateway.billing import End
from raytide.services.gateway.counts import Seen
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.held import Held
from raytide.services.gateway.incoming import ClientLeft, Headers, Presence, body_of
from raytide.services.gateway.keeper import Keeper
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.refusal import UPSTREAM, Refusal, Refused
from raytide.services.gateway.relay import Opened, Relay, Tries
from raytide.services.gateway.stream import EventStream, Usage, usage_of
from raytide.services.gateway.upstream import UpstreamLost
from raytide.services.ledger.usage import Outcome

STALLED_S: Final = 60.0
"""A client that takes nothing for so long has left without saying so."""
_LOST: Final = Refusal(
    status=502, kind=UPSTREAM, code="replica_lost", message="the replica ended before its answer did"
)
_LATE: Final = Refusal(status=504, kind=UPSTREAM, code="deadline_exceeded", message="the request's deadline has passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every exchange works with."""

    directory: Directory
    relay: Relay
    held: Held
    keeper: Keeper
    metrics: Metrics
    most_body_bytes: int


class Exchange:
    """One request for something that an engine makes."""

    def __init__(self, desk: Desk, headers: Headers, receive: Receive, send: Send) -> None:
        self._desk, self._headers, self._receive, self._send = desk, headers, receive, send
        self._began_s = time.monotonic()
        self._id = f"rt-{uuid.uuid4().hex}"
        self._has_begun = False
        self._put_since_s = math.inf
        self._events: EventStream | None = None
        self._usage: Usage | None = None
        self._seen: Seen | None = None
        self._is_clients_mistake = False

    async def run(self, prefix: str, path: str) -> None:
        """Answer the request.

        Raises:
            Refused: no engine answers it, and nothing was sent to the client yet.
            ClientLeft: nobody is there any more.
        """
        secret, deadline_s = self._headers.secret(), self._headers.deadline_s()
        body = await body_of(self._receive, self._headers.num_bytes(), self._desk.most_body_bytes)
        asked = asked_of(path, body, self._headers.session())
        fleet = self._desk.directory.find(prefix, asked.model)
        try:
            async with Presence(self._receive, self._is_stalled) as presence, asyncio.timeout(deadline_s):
                self._require_room(fleet, asked, fleet.access.max_wait_s, deadline_s)
                said = await self._desk.keeper.admit(self._id, fleet, asked, secret)
                await self._settled(fleet, asked, body, presence, said, deadline_s)
        except TimeoutError:
            if not self._has_begun:
                raise Refused(_LATE) from None
            await self._end_with(_LATE)

    async def _settled(
        self, fleet: Fleet, asked: Asked, body: bytes, presence: Presence, said: str | None, deadline_s: float | None
    ) -> None:
        """The part that the ledger pays for: however it ends, it is billed."""
        outcome = Outcome.FAILED
        try:
            with self._entering(fleet, asked, said):
                patience = patience_s(fleet.access.max_wait_s, said, fleet.access.priorities)
                opened = await self._opened(fleet, asked, body, patience, deadline_s)
            outcome = await self._answered(fleet, opened, asked, presence)
        except (asyncio.CancelledError, ClientLeft):
            outcome = Outcome.CANCELLED
            raise
        finally:
            usage = self._events.usage if self._events else self._usage
            num_events = self._events.num_events if self._events else 0
            end = End(outcome=outcome, usage=usage, num_events=num_events)
            self._desk.keeper.settle(self._id, fleet, asked, end)
            num_tokens = (usage.output_tokens if usage else num_events) / max(1, asked.num_sequences)
            self._judge(outcome, num_tokens, is_whole=self._events is None)
            if usage is not None and outcome is Outcome.FINISHED and asked.num_sequences:
                fleet.saw_answer(asked, usage.prompt_tokens, num_tokens)

    def _entering(self, fleet: Fleet, asked: Asked, said: str | None) -> AbstractContextManager[None]:
        name = class_of(said, fleet.access.priorities)
        return nullcontext() if name is None else fleet.entering(asked, name, time.monotonic())

    async def _opened(
        self, fleet: Fleet, asked: Asked, body: bytes, patience: float, deadline_s: float | None
    ) -> Opened:
        """The answer's beginning, from a replica that is there now or from one that comes in time."""
        canary = self._desk.directory.canary(fleet, asked.session)
        tries, opened = Tries(), await self._from_canary(canary, asked, body) if canary else None
        while opened is None:
            await self._desk.held.until_ready(fleet, len(body), self._left_s(deadline_s))
            self._require_room(fleet, asked, patience, deadline_s)
            opened = await self._sent(fleet, asked, body, tries)
        return opened

    async def _from_canary(self, canary: Fleet, asked: Asked, body: bytes) -> Opened | None:
        """None where it does not answer: that counts against it, and the revision that serves is asked instead."""
        try:
            opened = await self._sent(canary, asked, body, Tries())
        except Refused:
            opened = None
        if opened is None and self._seen:
            self._seen.failed()
        return opened

    async def _sent(self, fleet: Fleet, asked: Asked, body: bytes, tries: Tries) -> Opened | None:
        """The answer's beginning from this revision, which from now on is judged by what becomes of it."""
        if self._seen:
            self._seen.dropped(time.monotonic())
        self._seen = fleet.counts.begin(fleet.routes.objective, time.monotonic(), _whole_tokens(asked, fleet))
        with self._under_way(fleet):
            return await self._desk.relay.open(fleet, asked, with_usage(body, asked), self._id, tries)

    def _judge(self, outcome: Outcome, num_tokens: float, *, is_whole: bool) -> None:
        if self._seen is None:
            return
        if outcome is Outcome.FINISHED:
            self._seen.ended(time.monotonic(), num_tokens, is_whole=is_whole)
        elif outcome is Outcome.FAILED and not self._is_clients_mistake:
            self._seen.failed()
        else:
            self._seen.dropped(time.monotonic())

    async def _answered(self, fleet: Fleet, opened: Opened, asked: Asked, presence: Presence) -> Outcome:
        self._is_clients_mistake = 400 <= opened.status < 500
        self._desk.metrics.first_byte.labels(fleet.routes.service).observe(time.monotonic() - self._began_s)
        if opened.is_stream and self._seen:
            self._seen.first(time.monotonic())
        with self._under_way(fleet):
            try:
                if opened.is_stream:
                    return await self._stream(opened, asked, presence)
                return await self._whole(opened, presence)
            finally:
                await opened.close()

    async def _stream(self, opened: Opened, asked: Asked, presence: Presence) -> Outcome:
        self._events = events = EventStream(passes_usage=asked.wants_usage)
        await self._begin(opened.status, opened.content_type)
        await self._put_part(events.feed(opened.first))
        try:
            async for piece in opened.rest:
                await self._put_part(events.feed(piece))
        except UpstreamLost:
            presence.stop()
            await self._end_with(_LOST)
            return Outcome.FAILED
        presence.stop()
        await self._put({"type": "http.response.body", "body": events.rest(), "more_body": False})
        return Outcome.FINISHED

    async def _whole(self, opened: Opened, presence: Presence) -> Outcome:
        body = opened.first
        is_good = opened.status < 400
        self._usage = usage_of(body) if is_good else None
        await self._begin(opened.status, opened.content_type, len(body))
        presence.stop()
        await self._put({"type": "http.response.body", "body": body, "more_body": False})
        return Outcome.FINISHED if is_good else Outcome.FAILED

    def _require_room(self, fleet: Fleet, asked: Asked, patience: float, deadline_s: float | None) -> None:
        """Raises `Refused` where the best replica would answer too late; where there is none, the request may wait."""
        choice = self._desk.relay.best(fleet, asked, set())
        if choice is None:
            return
        if refusal := turned_away(choice.prediction, patience, self._left_s(deadline_s)):
            raise Refused(refusal)

    def _left_s(self, deadline_s: float | None) -> float | None:
        return None if deadline_s is None else deadline_s - (time.monotonic() - self._began_s)

    def _under_way(self, fleet: Fleet) -> AbstractContextManager[None]:
        return self._desk.metrics.under_way.labels(fleet.routes.service).track_inprogress()

    async def _begin(self, status: int, content_type: bytes, num_bytes: int | None = None) -> None:
        headers = [(b"content-type", content_type), (b"x-request-id", self._id.encode())]
        if num_bytes is not None:
            headers.append((b"content-length", str(num_bytes).encode()))
        self._has_begun = True
        await self._put({"type": "http.response.start", "status": status, "headers": headers})

    async def _end_with(self, refusal: Refusal) -> None:
        """The status has gone out: what went wrong is said as an event, and the missing end mark tells it too."""
        await self._put({"type": "http.response.body", "body": refusal.event, "more_body": False})

    async def _put_part(self, part: bytes) -> None:
        if part:
            await self._put({"type": "http.response.body", "body": part, "more_body": True})

    async def _put(self, message: Message) -> None:
        self._put_since_s = time.monotonic()
        try:
            await self._send(message)
        except OSError as error:  # a server may say so when the client has left
            raise ClientLeft from error
        self._put_since_s = math.inf

    def _is_stalled(self) -> bool:
        return time.monotonic() - self._put_since_s > STALLED_S


def _whole_tokens(asked: Asked, fleet: Fleet) -> int | None:
    """The longest answer that comes whole; None of a stream."""
    if asked.is_stream:
        return None
    return asked.most_output_tokens(fleet.context_tokens) // max(1, asked.num_sequences)
