"""Preferences of a file as pairs of answers, in the tokens of the model that learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raytide.core.errors import RaytideError
from raytide.jobs.json_file import read_rows
from raytide.jobs.train.conversation import Messages, Segment, are_messages
from raytide.jobs.train.encoding import Row, padded, row_of, segments_of, tokenizer_of
from raytide.jobs.train.pairs import Pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_EXPECTED: Final = (
    '{"messages": [{"role": …, "content": …}, …]} up to the answer, or {"prompt": …}, and beside it "chosen" and '
    '"rejected", two texts that differ'
)


class Preference(NamedTuple):
    """Two answers to one prompt."""

    asked: Messages | str
    """The conversation up to the answer, as in a chat; or the text that was to be continued, as it is."""
    chosen: str
    rejected: str


class Encoded(NamedTuple):
    """Pairs to learn from, and how many there are none of."""

    pairs: Pairs
    too_long: int
    alike: int
    """Whose answers are the same tokens."""


def read_preferences(file: Path, named: str = "spec.preferences.file") -> list[Preference]:
    """The preferences of a file of JSON lines, which is `named` so in a job.

    Raises:
        RaytideError: There is no such file, or nothing in it.
        SpecError: Lines that are no preferences.
    """
    return read_rows(file, _preference, named=named, what="preference", expected=_EXPECTED)


def encode_preferences(file: Path, model: Path, max_tokens: int) -> Encoded:
    """The pairs of a file, of which only what was answered counts.

    Raises:
        RaytideError: The file or the tokenizer cannot be used, or no pair is left; the sentence says why.
    """
    preferences = read_preferences(file)
    tokenizer = tokenizer_of(model)
    rows = [_rows(each, tokenizer) for each in preferences]
    different = [(chosen, rejected) for chosen, rejected in rows if chosen != rejected]
    kept = [pair for pair in different if max(map(len, pair)) <= max_tokens]
    if not kept:
        raise RaytideError(
            f"No pair of {file} has two different answers of at most {max_tokens} tokens, their prompt counted; "
            "see max_tokens."
        )
    pairs = Pairs(padded([row for pair in kept for row in pair]))
    return Encoded(pairs, too_long=len(different) - len(kept), alike=len(rows) - len(different))


def _rows(preference: Preference, tokenizer: PreTrainedTokenizerBase) -> tuple[Row, Row]:
    asked, chosen, rejected = preference
    return _row(asked, chosen, tokenizer), _row(asked, rejected, tokenizer)


def _row(asked: Messages | str, answer: str, tokenizer: PreTrainedTokenizerBase) -> Row:
    """The prompt is tokenized in one, as a server does; answers that were given before are part of it."""
    templated = not isinstance(asked, str) and tokenizer.chat_template is not None
    if isinstance(asked, str):
        prompt, last = asked, Segment(answer, True)
    else:
        *before, last = segments_of([*asked, {"role": "assistant", "content": answer}], tokenizer)
        prompt = "".join(text for text, _ in before)
    return row_of([Segment(prompt, False), last], tokenizer, templated=templated)


def _preference(content: Any) -> Preference | None:
    """What a line prefers; None where it says nothing that could be learnt from."""
    match content:
        case {"chosen": str(chosen), "rejected": str(rejected)} if chosen and rejected and chosen != rejected:
            asked = _asked({key: value for key, value in content.items() if key not in _ANSWERS})
            return Preference(asked, chosen, rejected) if asked else None
    return None


_ANSWERS: Final = {"chosen", "rejected", "source"}
"""The source is where the preference was given: it is kept in the file, and not learnt from."""


def _asked(content: dict[str, Any]) -> Messages | str | None:
    match content:
        case {"prompt": str(prompt)} if len(content) == 1:
            return prompt
        case {"messages": list(messages)} if len(content) == 1 and are_messages(messages):
            return messages
    return None
