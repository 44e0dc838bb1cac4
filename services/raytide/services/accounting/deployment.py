"""The accountant on Ray Serve: one for the whole cluster, a deployment beside the gateway's."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from ray import serve
from ray.serve import Application

from raytide.services.accounting.book import Book
from raytide.services.accounting.look import look
from raytide.services.accounting.settings import ACCOUNTANT, AccountantSettings
from raytide.services.accounting.sight import snapshot
from raytide.services.ledger.database import connect

LOOKS_EVERY_S: Final = 10.0

_log = logging.getLogger("ray.serve")


def bound(ledger: str) -> Application:
    """The accountant, which writes to the database of this URL."""
    return serve.deployment(Accountant, name=ACCOUNTANT, ray_actor_options={"num_cpus": 0}).bind(ledger)


class Accountant:
    """Looks from its first `reconfigure` on; Serve replaces it where it ends, and the next begins rows of its own."""

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self._settings = AccountantSettings()
        self._looking: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over new prices; the first ones start the looking."""
        self._settings = AccountantSettings.model_validate(user_config)
        if self._looking is None:
            book = Book(await asyncio.to_thread(connect, self._ledger))
            self._looking = asyncio.get_running_loop().create_task(self._look_forever(book))

    def check_health(self) -> None:
        """Raises where nobody looks any more."""
        if self._looking is not None and self._looking.done():
            raise RuntimeError("the accountant has ended") from self._looking.exception()

    async def _look_forever(self, book: Book) -> None:
        while True:
            try:
                await asyncio.to_thread(self._look, book)
            except Exception:
                # The time until the next look that succeeds is at worst unknown, never idle.
                _log.exception("raytide: nothing is accounted this time")
            await asyncio.sleep(LOOKS_EVERY_S)

    def _look(self, book: Book) -> None:
        seen = snapshot(look(), self._settings.pools)
        book.enter(seen, time.time_ns())
