"""Conversations in the tokens of a model, as rows of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from raytide.core.errors import RaytideError
from raytide.jobs.train.conversation import Messages, Segment, segments
from raytide.jobs.train.dataset import IGNORED, Dataset

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row: TypeAlias = list[tuple[int, bool]]
"""`(token, whether the loss counts it)` of one conversation."""


def tokenizer_of(model: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a model's folder.

    Raises:
        RaytideError: It cannot be loaded, or knows no end of an answer.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise RaytideError(f"{model} has no tokenizer that can be loaded ({error}); correct spec.start.") from error
    if tokenizer.eos_token_id is None:
        raise RaytideError(f"The tokenizer of {model} has no end token, so that no answer would ever end.")
    return tokenizer


def segments_of(messages: Messages, tokenizer: PreTrainedTokenizerBase) -> list[Segment]:
    """What a server would make of the conversation, cut where the assistant begins and ends.

    Raises:
        RaytideError: The model's template does not take such a conversation.
    """
    if tokenizer.chat_template is None:
        return _plain(messages)
    from jinja2 import TemplateError

    def render(said: Messages, answer_follows: bool) -> str:
        try:
            text: Any = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=answer_follows)
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in said)
            raise RaytideError(f"The model's chat template takes no conversation of {roles} ({error}).") from error
        return str(text)

    *before, last = segments(messages, render)
    # White space that a template puts between turns would only delay the end of an answer.
    return [*before, Segment(last.text.rstrip(), True)]


def row_of(said: Iterable[Segment], tokenizer: PreTrainedTokenizerBase, *, templated: bool) -> Row:
    """The tokens of a conversation; it ends with the end token."""
    row: Row = []
    for text, learnt in said:
        # Without a template nothing else would write the begin token that a server puts before a prompt.
        special = not templated and not row
        row += [(token, learnt) for token in tokenizer.encode(text, add_special_tokens=special)]
    if row[-1][0] != tokenizer.eos_token_id:
        row.append((tokenizer.eos_token_id, True))
    return row


def padded(rows: Sequence[Row]) -> Dataset:
    """The rows, as long as the longest of them."""
    lengths = np.array([len(row) for row in rows], dtype=np.int32)
    # The pad token never counts and nothing attends to what is right of it, so any will do.
    tokens = np.zeros((len(rows), int(lengths.max())), dtype=np.int32)
    labels = np.full_like(tokens, IGNORED)
    for at, row in enumerate(rows):
        tokens[at, : len(row)] = [token for token, _ in row]
        labels[at, : len(row)] = [token if learnt else IGNORED for token, learnt in row]
    return Dataset.of(tokens, labels, lengths)


def _plain(messages: Messages) -> list[Segment]:
    if [message["role"] for message in messages] != ["user", "assistant"]:
        raise RaytideError("The model has no chat template, so examples must be a prompt and an answer each.")
    return [Segment(message["content"], message["role"] == "assistant") for message in messages]
