"""Two models' answers to the same prompts, as a third model judges them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from raytide.core.spec.evaluate import Pairwise
from raytide.jobs.evaluate.examinee import Examinee
from raytide.jobs.json_file import read_rows

AT_ONCE: Final = 8
"""Questions to the judge: enough for its batches, and little beside what it serves otherwise."""

Choice: TypeAlias = Literal["A", "B"]
Prefers: TypeAlias = Callable[[str, str, str], Choice | None]
"""Of a prompt and two answers, A and B, the better one; None where the judge says neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge found."""

    by: str
    beside: str
    """The other model: `production` or `start`."""
    won: tuple[bool, ...]
    """Of each prompt, whether the new model's answer is better."""
    lost: tuple[bool, ...]
    unclear: int
    """Judgements that were neither A nor B, of two a prompt; they count as ties."""

    @property
    def tied(self) -> int:
        """Prompts whose answers are equal, or better only where they are read first or last."""
        return len(self.won) - sum(self.won) - sum(self.lost)


def read_prompts(pairwise: Pairwise, file: Path) -> list[str]:
    """The prompts that both models answer.

    Raises:
        RaytideError: There is no such file, or nothing in it.
        SpecError: Lines that are no prompts.
    """
    return read_rows(file, _prompt, named="spec.pairwise.file", what="prompt", expected='{"prompt": …}')


def answers(folder: Path, pairwise: Pairwise, prompts: Sequence[str]) -> list[str]:
    """What the model of a folder answers to each prompt."""
    examinee = Examinee(folder)
    return [examinee.answer(examinee.prompt(each, pairwise.prompt), pairwise.max_tokens) for each in prompts]


def judged(
    pairwise: Pairwise, prompts: Sequence[str], ours: Sequence[str], theirs: Sequence[str], beside: str, asks: Prefers
) -> Judged:
    """Each pair in both orders: a judge that prefers what it reads first, as many do, finds no winner.

    Source: Zheng et al. 2023, arXiv:2306.05685, section 3.4.
    """

    def both_ways(prompt: str, own: str, other: str) -> tuple[Choice | None, Choice | None]:
        return ("A", "A") if own == other else (asks(prompt, own, other), asks(prompt, other, own))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(both_ways, prompts, ours, theirs))
    return Judged(
        by=pairwise.judge,
        beside=beside,
        won=tuple(each == ("A", "B") for each in found),
        lost=tuple(each == ("B", "A") for each in found),
        unclear=sum(each.count(None) for each in found),
    )


def _prompt(content: Any) -> str | None:
    match content:
        case {"prompt": str(prompt)} if prompt and len(content) == 1:
            return prompt
    return None
