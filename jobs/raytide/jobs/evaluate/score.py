"""How well a model predicts text that it never saw."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from raytide.jobs.evaluate.held_out import Document, domain_of, held_out_documents
from raytide.jobs.evaluate.model import load_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Tokens: TypeAlias = npt.NDArray[np.int64]

TOKENS_PER_BATCH: Final = 4096
"""Their logits are in memory at once: 2.5 GB for a vocabulary of 151,936."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentScore:
    """The negative log-likelihood of one document under a model."""

    domain: str
    nll_nats: float
    tokens: int
    """Predicted tokens, the end of the document among them."""
    bytes: int
    """Of the text, before tokenization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The documents of a text, in one order for every model."""

    documents: tuple[DocumentScore, ...]

    @property
    def nll_nats(self) -> float:
        """Of the whole text."""
        return math.fsum(each.nll_nats for each in self.documents)

    @property
    def tokens(self) -> int:
        """Predicted tokens."""
        return sum(each.tokens for each in self.documents)

    @property
    def bytes(self) -> int:
        """Of the text, before tokenization."""
        return sum(each.bytes for each in self.documents)

    @property
    def perplexity(self) -> float:
        """Per token; comparable only between models with one tokenizer."""
        return math.exp(self.nll_nats / self.tokens)

    @property
    def bits_per_byte(self) -> float:
        """Comparable between any two models."""
        return self.nll_nats / math.log(2) / self.bytes

    def by_domain(self) -> dict[str, Score]:
        """The same, apart for each domain; the largest first."""
        domains: dict[str, list[DocumentScore]] = {}
        for each in self.documents:
            domains.setdefault(each.domain, []).append(each)
        scores = {name: Score(documents=tuple(documents)) for name, documents in domains.items()}
        return dict(sorted(scores.items(), key=lambda item: (-item[1].bytes, item[0])))


def score(folder: Path, held_out: Path, max_bytes: float, untrained_seed: int | None = None) -> Score:
    """The score of an exported model, or of the same model before training where its seed is given."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    documents = list(held_out_documents(held_out, max_bytes))
    model = load_model(folder, untrained_seed)
    encoded = _encoded(folder, documents, model.config.eos_token_id)
    nll = np.concatenate([np.zeros(1), _nll(model, np.concatenate(encoded))])  # nothing comes before the first token
    ends = np.cumsum([len(tokens) for tokens in encoded])
    return Score(documents=tuple(_per_document(documents, nll, ends)))


def windows(stream: Tokens, length: int) -> Iterator[tuple[Tokens, Tokens]]:
    """`(inputs, targets)` of at most `length` tokens; every token but the first is a target exactly once."""
    for start in range(0, len(stream) - 1, length):
        piece = stream[start : start + length + 1]
        yield piece[:-1], piece[1:]


def batches(pairs: Iterable[tuple[Tokens, Tokens]]) -> Iterator[tuple[Tokens, Tokens]]:
    """Windows of equal length stacked; only the last one may be shorter, and comes alone."""
    batch: list[tuple[Tokens, Tokens]] = []
    for pair in pairs:
        length = len(pair[0])
        if batch and ((len(batch) + 1) * length > TOKENS_PER_BATCH or length != len(batch[0][0])):
            yield _stacked(batch)
            batch = []
        batch.append(pair)
    if batch:
        yield _stacked(batch)


def _per_document(
    documents: Sequence[Document], nll: npt.NDArray[np.float64], ends: npt.NDArray[np.int64]
) -> Iterator[DocumentScore]:
    start = 0
    for document, end in zip(documents, ends.tolist(), strict=True):
        yield DocumentScore(
            domain=domain_of(document.source),
            nll_nats=math.fsum(nll[start:end]),
            tokens=end - max(start, 1),
            bytes=len(document.text.encode()),
        )
        start = end


def _encoded(folder: Path, documents: Sequence[Document], eos: int | list[int]) -> list[Tokens]:
    """The tokens of each document, with the end token after it."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    end = eos[0] if isinstance(eos, list) else eos
    texts = [document.text for document in documents]
    return [np.array([*encoding.ids, end], dtype=np.int64) for encoding in tokenizer.encode_batch(texts)]


def _nll(model: PreTrainedModel, stream: Tokens) -> npt.NDArray[np.float64]:
    """In nats, of every token of a stream but the first."""
    import torch
    from torch.nn.functional import cross_entropy

    found: list[Any] = []
    with torch.inference_mode():
        for inputs, targets in batches(windows(stream, model.config.max_position_embeddings)):
            logits = model(input_ids=torch.from_numpy(inputs).to(model.device)).logits.float()
            wanted = torch.from_numpy(targets).to(model.device)
            found.append(cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").double().cpu().numpy())
    return np.concatenate(found)


def _stacked(batch: list[tuple[Tokens, Tokens]]) -> tuple[Tokens, Tokens]:
    return np.stack([inputs for inputs, _ in batch]), np.stack([targets for _, targets in batch])
