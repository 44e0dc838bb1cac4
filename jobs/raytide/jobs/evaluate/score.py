"""How well a model predicts text that it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from raytide.jobs.preprocess.documents import taken, texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Tokens: TypeAlias = npt.NDArray[np.int64]

_WINDOWS_PER_BATCH: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The negative log-likelihood of a text under a model."""

    nll_nats: float
    tokens: int
    """Predicted tokens, the end of each document among them."""
    bytes: int
    """Of the text, before tokenization."""

    @property
    def perplexity(self) -> float:
        """Per token; comparable only between models with one tokenizer."""
        return math.exp(self.nll_nats / self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between any two models."""
        return self.nll_nats / math.log(2) / self.bytes


def score(folder: Path, held_out: Path, max_bytes: float, untrained_seed: int | None = None) -> Score:
    """The score of an exported model, or of the same model before training where its seed is given."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    documents = list(taken(texts(held_out), max_bytes))
    model = _model(folder, untrained_seed)
    nll, tokens = _nll(model, _stream(folder, documents, model.config.eos_token_id))
    return Score(nll_nats=nll, tokens=tokens, bytes=sum(len(text.encode()) for text in documents))


def windows(stream: Tokens, length: int) -> Iterator[tuple[Tokens, Tokens]]:
    """`(inputs, targets)` of at most `length` tokens; every token but the first is a target exactly once."""
    for start in range(0, len(stream) - 1, length):
        piece = stream[start : start + length + 1]
        yield piece[:-1], piece[1:]


def _model(folder: Path, untrained_seed: int | None) -> PreTrainedModel:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from raytide.jobs.train.model import new_model

    if untrained_seed is None:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    else:
        model = new_model(AutoConfig.from_pretrained(folder), untrained_seed)
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _stream(folder: Path, documents: list[str], eos: int) -> Tokens:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoded = ([*encoding.ids, eos] for encoding in tokenizer.encode_batch(documents))
    return np.fromiter(chain.from_iterable(encoded), dtype=np.int64)


def _nll(model: PreTrainedModel, stream: Tokens) -> tuple[float, int]:
    """`(nats, predicted tokens)` of a token stream."""
    import torch
    from torch.nn.functional import cross_entropy

    total, tokens = 0.0, 0
    with torch.inference_mode():
        for inputs, targets in _batches(windows(stream, model.config.max_position_embeddings)):
            logits = model(input_ids=torch.from_numpy(inputs).to(model.device)).logits.float()
            wanted = torch.from_numpy(targets).to(model.device)
            total += cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum").item()
            tokens += targets.size
    return total, tokens


def _batches(pairs: Iterable[tuple[Tokens, Tokens]]) -> Iterator[tuple[Tokens, Tokens]]:
    """Windows of equal length stacked; only the last one may be shorter, and comes alone."""
    batch: list[tuple[Tokens, Tokens]] = []
    for pair in pairs:
        if batch and (len(batch) == _WINDOWS_PER_BATCH or len(pair[0]) != len(batch[0][0])):
            yield _stacked(batch)
            batch = []
        batch.append(pair)
    if batch:
        yield _stacked(batch)


def _stacked(batch: list[tuple[Tokens, Tokens]]) -> tuple[Tokens, Tokens]:
    return np.stack([inputs for inputs, _ in batch]), np.stack([targets for _, targets in batch])
