"""What a gateway has counted of one revision since the gateway began, as it tells the brain once a second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from raytide.autoscaling.rollout.evidence import NOTHING_COUNTED, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """Requests of one traffic class."""

    num: int = 0
    """Those that were turned away included."""
    prompt_tokens: int = 0
    """Of all of them, as the gateway estimates."""
    num_shed: int = 0
    """Turned away because there is too little for all: no engine has heard of them."""
    shed_prompt_tokens: int = 0

    def __add__(self, other: ClassCount) -> ClassCount:
        """Both together."""
        return ClassCount(
            num=self.num + other.num,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            num_shed=self.num_shed + other.num_shed,
            shed_prompt_tokens=self.shed_prompt_tokens + other.shed_prompt_tokens,
        )

    def since(self, before: ClassCount) -> ClassCount:
        """What was counted after `before`; a counter that fell began anew, from zero."""
        if self.num < before.num or self.num_shed < before.num_shed:
            return self
        return ClassCount(
            num=self.num - before.num,
            prompt_tokens=self.prompt_tokens - before.prompt_tokens,
            num_shed=self.num_shed - before.num_shed,
            shed_prompt_tokens=self.shed_prompt_tokens - before.shed_prompt_tokens,
        )


NOBODY: Final = ClassCount()
ByClass = Mapping[str, ClassCount]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayCount:
    """By outcome for a rollout, and by traffic class for the demand."""

    tally: Tally = NOTHING_COUNTED
    classes: ByClass = field(default_factory=dict)
    """Of the declared classes, those that somebody has asked in."""
