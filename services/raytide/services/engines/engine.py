"""What a replica needs of an engine, whichever program it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp

from raytide.autoscaling.capacity import Capacity
from raytide.autoscaling.performance.engine import Engine as Speed
from raytide.services.engines.meter import ReplicaMeter
from raytide.services.engines.serve_log import serve_log_kept
from raytide.services.settings import EngineSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a replica can do: its throughput as measured, and the iteration time that follows."""

    capacity: Capacity
    speed: Speed


class Engine(Protocol):
    """A running engine, which counts what it does in the meter that it was started with."""

    @property
    def waiting_prompt_tokens(self) -> int:
        """Of all requests whose prefill is not finished."""

    async def routes(self) -> ASGIApp:
        """The OpenAI routes; completions and chat, streamed or not, the models, and the health."""

    async def measure(self, routes: ASGIApp) -> Measured:
        """Warms the engine up, so that no client waits for what is loaded only once, and says what it can do."""

    async def check_health(self) -> None:
        """Raises where the engine has died."""

    def stop(self) -> None:
        """Ends what the engine started."""


def start(settings: EngineSettings, meter: ReplicaMeter) -> Engine:
    """A loaded engine of the declared kind; takes seconds to minutes.

    Raises:
        RaytideError: the engine cannot run as declared.
    """
    if settings.kind == "emulated":
        from raytide.services.engines.emulated import engine as emulated

        return emulated.start(settings, meter)
    with serve_log_kept():
        from raytide.services.engines.vllm import engine as vllm

        return vllm.start(settings, meter)
