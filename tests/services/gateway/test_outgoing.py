"""An answer on its way out, as a server takes it."""

from __future__ import annotations

import asyncio

from starlette.types import Message

from raytide.services.gateway.outgoing import Outgoing
from raytide.services.gateway.refusal import unavailable

LATE = unavailable("too late", "late", 1.0)


def test_what_is_complete_for_the_server_gets_no_other_end_while_its_client_takes_it_slowly() -> None:
    sent: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def answered_late() -> None:
        outgoing = Outgoing("rt-1", send, None)
        await outgoing.begin(200, b"application/json", 2)
        try:
            async with asyncio.timeout(0.05):
                await outgoing.end(b"{}")
        except TimeoutError:
            await outgoing.end_with(LATE)

    async def bounded() -> None:
        async with asyncio.timeout(5):
            await answered_late()

    asyncio.run(bounded())
    assert sent == ["http.response.start", "http.response.body"]
