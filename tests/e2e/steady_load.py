"""Clients that ask at a steady rate, whatever becomes of what they asked before, from a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Self

import httpx


class SteadyLoad:
    """So many requests per second by name, from the block's beginning to its end, which waits for the last answer."""

    def __init__(self, requests_per_s: Mapping[str, float]) -> None:
        self._requests_per_s = requests_per_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def ask(self, http: httpx.AsyncClient, name: str) -> None:
        """One request of this name, to its end."""
        raise NotImplementedError

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http, asyncio.TaskGroup() as under_way:
            for name in self._requests_per_s:
                under_way.create_task(self._keep_asking(http, name, under_way))

    async def _keep_asking(self, http: httpx.AsyncClient, name: str, under_way: asyncio.TaskGroup) -> None:
        while not self._over.is_set():
            under_way.create_task(self.ask(http, name))
            await asyncio.sleep(1 / self._requests_per_s[name])
