"""Who is let in of each traffic class, where there is too little for all, and how many came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from raytide.autoscaling.live.counted import NOBODY, ByClass, ClassCount
from raytide.autoscaling.rollout.split import Split
from raytide.services.gateway.admission import OVERLOADED, SHED, class_shed
from raytide.services.gateway.refusal import Refused

_FOR_LACK: Final = (SHED, OVERLOADED)
"""Codes of refusals that more replicas would have spared the client."""


class Classes:
    """Of one revision of a service, since this gateway began."""

    def __init__(self) -> None:
        self._counts: dict[str, ClassCount] = {}
        self._splits: dict[str, Split] = {}

    @property
    def counts(self) -> ByClass:
        """Of the classes that somebody has asked in."""
        return dict(self._counts)

    @contextmanager
    def entering(self, name: str, share: float, prompt_tokens: int) -> Iterator[None]:
        """Around everything until an engine answers a request of the class, of which this share is let in.

        Raises:
            Refused: this one is not.
        """
        self._add(name, ClassCount(num=1, prompt_tokens=prompt_tokens))
        try:
            if not self._is_next(name, share):
                raise Refused(class_shed(name, share))
            yield
        except Refused as refused:
            if refused.refusal.code in _FOR_LACK:
                self._add(name, ClassCount(num_shed=1, shed_prompt_tokens=prompt_tokens))
            raise

    def _is_next(self, name: str, share: float) -> bool:
        """Every fourth is let in at a share of 25 %."""
        taken, self._splits[name] = self._splits.get(name, Split()).after(1, share)
        return bool(taken)

    def _add(self, name: str, count: ClassCount) -> None:
        self._counts[name] = self._counts.get(name, NOBODY) + count
