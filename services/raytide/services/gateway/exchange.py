"""One request from its first byte to its bill: let in, held, sent, relayed, settled.

Everything that is decided on the way is decided elsewhere; this is the order of it.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Receive, Send

from raytide.autoscaling.live.routes import HELD_HEADER
from raytide.services.feedback.recorder import Heard, Recorder
from raytide.services.gateway.admission import OVERLOADED, class_of, never_in_time, patience_s, turned_away
from raytide.services.gateway.asked import Asked, asked_of, with_usage
from raytide.services.gateway.billing import End
from raytide.services.gateway.choose import Choice
from raytide.services.gateway.counts import Seen
from raytide.services.gateway.directory import Directory
from raytide.services.gateway.fleet import Fleet
from raytide.services.gateway.held import Held
from raytide.services.gateway.incoming import ClientLeft, Headers, Presence, body_of
from raytide.services.gateway.keeper import Caller, Keeper
from raytide.services.gateway.metrics import Metrics
from raytide.services.gateway.outgoing import Outgoing
from raytide.services.gateway.outlet import Outlet
from raytide.services.gateway.overheard import Overheard
from raytide.services.gateway.refusal import UPSTREAM, Refusal, Refused
from raytide.services.gateway.relay import Opened, Relay, Tries
from raytide.services.gateway.stream import EventStream, Usage, usage_of
from raytide.services.gateway.tracing import Traces, Untraced
from raytide.services.gateway.upstream import UpstreamLost
from raytide.services.ledger.usage import Outcome

_LOST: Final = Refusal(
    status=502, kind=UPSTREAM, code="replica_lost", message="the replica ended before its answer did"
)
_TOLD_S: Final = 1.0
"""Demand is counted by the second."""
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
    recorder: Recorder
    traces: Traces = field(default_factory=Untraced)


class Exchange:
    """One request for something that an engine makes."""

    def __init__(
        self, desk: Desk, headers: Headers, receive: Receive, send: Send, outlet: Outlet | None = None
    ) -> None:
        self._desk, self._headers, self._receive = desk, headers, receive
        self._began_s = time.monotonic()
        # Where no key is asked for, whoever knows an answer's id may judge it: nobody can know the next one.
        self._id = f"rt-{secrets.token_hex(16)}"
        self._outgoing = Outgoing(self._id, send, outlet)
        self._span = desk.traces.begin(self._id, headers.trace_context())
        self._first_s = math.inf
        self._admitted_s = math.inf
        self._events: EventStream | None = None
        self._whole_usage: Usage | None = None
        self._revision = ""
        self._overheard: Overheard | None = None
        self._outcome: str = Outcome.FAILED
        self._seen: Seen | None = None
        self._is_clients_mistake = False

    async def run(self, prefix: str, path: str) -> None:
        """Answer the request.

        Raises:
            Refused: no engine answers it, and nothing was sent to the client yet.
            ClientLeft: nobody is there any more.
        """
        try:
            await self._run(prefix, path)
        except Refused as refused:
            self._outcome = refused.refusal.code
            raise
        except (asyncio.CancelledError, ClientLeft):
            self._outcome = Outcome.CANCELLED
            raise
        finally:
            self._span.end(self._outcome, self._usage)

    async def _run(self, prefix: str, path: str) -> None:
        secret, deadline_s = self._headers.secret(), self._headers.deadline_s()
        body = await body_of(self._receive, self._headers.num_bytes(), self._desk.most_body_bytes)
        asked = asked_of(path, body, self._headers.session())
        fleet = self._desk.directory.find(prefix, asked.model)
        self._span.of(fleet.routes.service, path, asked.model)
        try:
            async with Presence(self._receive, self._outgoing.is_stalled) as presence, asyncio.timeout(deadline_s):
                self._require_room(fleet, asked, fleet.access.max_wait_s, deadline_s)
                caller = await self._desk.keeper.admit(self._id, fleet, asked, secret)
                self._span.happened("admitted")
                await self._settled(fleet, asked, body, presence, caller, deadline_s)
        except TimeoutError:
            if not self._outgoing.has_begun:
                raise Refused(_LATE) from None
            await self._outgoing.end_with(_LATE)

    async def _settled(
        self, fleet: Fleet, asked: Asked, body: bytes, presence: Presence, caller: Caller, deadline_s: float | None
    ) -> None:
        """The part that the ledger pays for: however it ends, it is billed."""
        outcome = Outcome.FAILED
        try:
            with self._entering(fleet, asked, caller.traffic_class):
                patience = patience_s(fleet.access.max_wait_s, caller.traffic_class, fleet.access.priorities)
                opened = await self._opened(fleet, asked, body, patience, deadline_s)
            outcome = await self._answered(fleet, opened, asked, presence)
        except (asyncio.CancelledError, ClientLeft):
            outcome = Outcome.CANCELLED
            raise
        finally:
            self._outcome, usage = outcome, self._usage
            num_events = self._events.num_events if self._events else 0
            end = End(outcome=outcome, usage=usage, num_events=num_events)
            self._desk.keeper.settle(self._id, fleet.routes.service, asked, caller, end)
            num_tokens = (usage.output_tokens if usage else num_events) / max(1, asked.num_sequences)
            self._judge(fleet, outcome, num_tokens, is_whole=self._events is None)
            if usage is not None and outcome is Outcome.FINISHED and asked.num_sequences:
                fleet.saw_answer(asked, usage.prompt_tokens, num_tokens)
            if outcome is Outcome.FINISHED and self._overheard:
                self._keep(fleet, caller, body, self._overheard)

    def _keep(self, fleet: Fleet, caller: Caller, body: bytes, overheard: Overheard) -> None:
        heard = Heard(
            answer_id=self._id,
            key_id=caller.key_id,
            service=fleet.routes.service,
            revision=self._revision,
            body=body,
            answer=overheard.answer,
            is_stream=self._events is not None,
            keeping=overheard.keeping,
        )
        self._desk.recorder.keep(heard)

    @property
    def _usage(self) -> Usage | None:
        """As the engine has counted it until now."""
        return self._events.usage if self._events else self._whole_usage

    def _entering(self, fleet: Fleet, asked: Asked, said: str | None) -> AbstractContextManager[None]:
        name = class_of(said, fleet.access.priorities)
        return nullcontext() if name is None else fleet.entering(asked, name, time.monotonic())

    async def _opened(
        self, fleet: Fleet, asked: Asked, body: bytes, patience: float, deadline_s: float | None
    ) -> Opened:
        """The answer's beginning, from a replica that is there now or from one that comes in time."""
        self._admitted_s = time.monotonic()
        canary = self._desk.directory.canary(fleet, asked.session)
        tries, opened = Tries(), await self._from_canary(canary, asked, body) if canary else None

        def look() -> Choice | None:
            nonlocal fleet
            fleet = self._desk.directory.latest(fleet)
            return self._require_room(fleet, asked, patience, deadline_s)

        while opened is None:
            left_s = self._left_s(deadline_s)
            best = await self._desk.held.until_room(fleet.routes.service, patience, len(body), left_s, look)
            opened = await self._sent(fleet, asked, body, tries, best)
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

    async def _sent(
        self, fleet: Fleet, asked: Asked, body: bytes, tries: Tries, best: Choice | None = None
    ) -> Opened | None:
        """The answer's beginning from this revision, which from now on is judged by what becomes of it."""
        if self._seen:
            self._seen.dropped(time.monotonic())
        self._revision = fleet.routes.revision
        self._seen = fleet.counts.begin(fleet.routes.objective, time.monotonic(), _whole_tokens(asked, fleet))
        with self._under_way(fleet):
            return await self._desk.relay.open(fleet, asked, with_usage(body, asked), self._about, tries, best)

    @property
    def _about(self) -> Mapping[str, str]:
        """The headers that a replica is sent."""
        held_s = time.monotonic() - self._admitted_s
        held = {HELD_HEADER: f"{held_s:.1f}"} if held_s >= _TOLD_S else {}
        return {"X-Request-Id": self._id, **held, **self._span.context}

    def _judge(self, fleet: Fleet, outcome: Outcome, num_tokens: float, *, is_whole: bool) -> None:
        if self._seen is None:
            return
        if outcome is Outcome.FINISHED:
            self._seen.ended(time.monotonic(), num_tokens, is_whole=is_whole)
        elif outcome is Outcome.FAILED and not self._is_clients_mistake:
            self._seen.failed()
        else:
            self._seen.dropped(time.monotonic())
        counted = self._desk.metrics.of(fleet.routes.service)
        if self._seen.kept is not None:
            counted.kept[self._seen.kept].inc()
        if outcome is Outcome.FINISHED and not is_whole and num_tokens > 1:
            counted.tpot.observe((time.monotonic() - self._first_s) / (num_tokens - 1))

    async def _answered(self, fleet: Fleet, opened: Opened, asked: Asked, presence: Presence) -> Outcome:
        self._is_clients_mistake = 400 <= opened.status < 500
        self._first_s, counted = time.monotonic(), self._desk.metrics.of(fleet.routes.service)
        counted.first_byte.observe(self._first_s - self._began_s)
        self._span.happened("answers", replica=opened.replica, revision=self._revision)
        keeping = fleet.access.feedback
        if keeping and asked.num_sequences and keeping.keeps(self._id):
            self._overheard = Overheard(keeping)
        if opened.is_stream and self._seen:
            counted.ttft.observe(self._first_s - self._began_s)
            self._seen.first(self._first_s)
        with self._under_way(fleet):
            try:
                if opened.is_stream:
                    return await self._stream(opened, asked, presence)
                return await self._whole(opened, presence)
            finally:
                await opened.close()

    async def _stream(self, opened: Opened, asked: Asked, presence: Presence) -> Outcome:
        self._events = events = EventStream(passes_usage=asked.wants_usage)
        feed = self._overheard.of(events.feed) if self._overheard else events.feed
        await self._outgoing.begin(opened.status, opened.content_type)
        await self._outgoing.part(feed(opened.first))
        try:
            await self._outgoing.parts_of(opened, feed)
        except UpstreamLost:
            presence.stop()
            await self._outgoing.end_with(_LOST)
            return Outcome.FAILED
        presence.stop()
        await self._outgoing.end(events.rest())
        return Outcome.FINISHED

    async def _whole(self, opened: Opened, presence: Presence) -> Outcome:
        body = opened.first
        is_good = opened.status < 400
        self._whole_usage = usage_of(body) if is_good else None
        if self._overheard:
            self._overheard.take(body)
        await self._outgoing.begin(opened.status, opened.content_type, len(body))
        presence.stop()
        await self._outgoing.end(body)
        return Outcome.FINISHED if is_good else Outcome.FAILED

    def _require_room(self, fleet: Fleet, asked: Asked, patience: float, deadline_s: float | None) -> Choice | None:
        """The best replica; None where there is none, and the request may wait.

        Raises:
            Refused: even that one would answer too late.
        """
        best = self._desk.relay.best(fleet, asked)
        if best and (refusal := turned_away(best.prediction, patience, self._left_s(deadline_s))):
            in_vain = refusal.code == OVERLOADED and not self._desk.relay.could_begin(fleet, asked, patience)
            raise Refused(never_in_time(patience) if in_vain else refusal)
        return best

    def _left_s(self, deadline_s: float | None) -> float | None:
        return None if deadline_s is None else deadline_s - (time.monotonic() - self._began_s)

    def _under_way(self, fleet: Fleet) -> AbstractContextManager[None]:
        return self._desk.metrics.of(fleet.routes.service).under_way.track_inprogress()


def _whole_tokens(asked: Asked, fleet: Fleet) -> int | None:
    """The longest answer that comes whole; None of a stream."""
    if asked.is_stream:
        return None
    return asked.most_output_tokens(fleet.context_tokens) // max(1, asked.num_sequences)
