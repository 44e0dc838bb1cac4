"""Values of options, as people write them, and one sentence where they mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from raytide.core.errors import RaytideError
from raytide.core.spec.suggest import nearest
from raytide.core.units import parse_duration_s, parse_fraction

T = TypeVar("T")


class BadOption(RaytideError):
    """The value of an option that means nothing."""

    exit_code = 2


def duration_s(option: str, text: str) -> float:
    """Seconds from the text of an option."""
    return parsed(option, text, parse_duration_s)


def parsed(option: str, text: str, parse: Callable[[str], T]) -> T:
    """The value of an option's text; BadOption where it is none."""
    try:
        return parse(text)
    except ValueError as error:
        raise BadOption(f"{option} is {text!r}; write {error}") from error


def listed(option: str, text: str | None, parse: Callable[[str], T]) -> tuple[T, ...]:
    """The values of a list with commas; none where the option is not given."""
    return tuple(parsed(option, part.strip(), parse) for part in (text or "").split(",") if part.strip())


def unknown(option: str, word: str, words: tuple[str, ...]) -> BadOption:
    """The error that an option's word is none of those it takes."""
    meant = nearest(word, words)
    hint = f"did you mean {meant!r}?" if meant else f"write one of {', '.join(words)}"
    return BadOption(f"{option} is {word!r}; {hint}")


def parse_share(text: str) -> float:
    """A fraction from `30%` or `0.3`."""
    if text.endswith("%"):
        return parse_fraction(text)
    try:
        return parse_fraction(float(text))
    except ValueError as error:
        raise ValueError("a share such as 30% or 0.3") from error
