"""Conversations of a file as a data set, written once for all workers of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from raytide.core.errors import RaytideError
from raytide.jobs.train.conversation import read_conversations
from raytide.jobs.train.dataset import Dataset
from raytide.jobs.train.encoding import padded, row_of, segments_of, tokenizer_of

FILE: Final = "examples.npz"


def encode_examples(file: Path, model: Path, max_tokens: int) -> tuple[Dataset, int]:
    """`(data set, examples left out because they are too long)`, in the tokens of the model that is fine-tuned.

    Raises:
        RaytideError: The file or the tokenizer cannot be used; the sentence says why.
    """
    conversations = read_conversations(file)
    tokenizer = tokenizer_of(model)
    templated = tokenizer.chat_template is not None
    rows = [row_of(segments_of(messages, tokenizer), tokenizer, templated=templated) for messages in conversations]
    kept = [row for row in rows if len(row) <= max_tokens]
    if not kept:
        raise RaytideError(f"Every example of {file} is longer than {max_tokens} tokens; see max_tokens.")
    return padded(kept), len(rows) - len(kept)


def write_examples(dataset: Dataset, run: Path) -> None:
    """Puts the data set into a run's folder."""
    partial = run / f".{FILE}"
    with partial.open("wb") as target:
        np.savez(target, tokens=dataset.tokens, labels=dataset.labels, lengths=dataset.lengths)
    partial.rename(run / FILE)


def load_examples(run: Path) -> Dataset:
    """What `write_examples` put there."""
    with np.load(run / FILE) as arrays:
        return Dataset.of(arrays["tokens"], arrays["labels"], arrays["lengths"])
