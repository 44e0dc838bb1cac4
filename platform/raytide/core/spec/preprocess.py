"""`task: preprocess`: documents in many forms to token sequences of one form."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import AboveZero, Strict
from raytide.core.units import Bytes, Fraction

Format = Literal["auto", "text", "jsonl", "parquet", "html", "warc"]
RuleSet = Literal["gopher-quality", "gopher-repetition", "c4"]
Pii = Literal["email", "ip", "card", "iban", "phone"]


class Corpus(Strict):
    """The files that text comes from."""

    source: str = "stdlib"
    """`stdlib` (the sources of Python's standard library), a folder, a file, or an fsspec URL such as `s3://bucket/text`."""
    include: tuple[str, ...] = ()
    """Globs below the source; where empty, `**/*.py` for stdlib and `**/*` otherwise."""
    max_bytes: Bytes | None = None
    """Files are taken in order of their path until this size is reached; all of them where unset."""
    format: Format = "auto"
    """What the files are; `auto` goes by the end of each name, and takes what it does not know as one text.
    Any of them may be compressed (`.gz`, `.zst`)."""
    field: str = "text"
    """The key of a JSON row or the column of a Parquet file with the text, or with a conversation: a list of
    `{role, content}`, which becomes a line per turn, as the chat template of a learned tokenizer writes it."""
    max_document: Annotated[Bytes, AboveZero] = 16_000_000
    """A document, line or row that is longer is counted and left out; only of Parquet is it held in memory before."""

    @property
    def globs(self) -> tuple[str, ...]:
        """The globs that apply."""
        return self.include or (("**/*.py",) if self.source == "stdlib" else ("**/*",))


class Quality(Strict):
    """What a document must be like to stay."""

    min_chars: int = Field(default=64, ge=1)
    """Shorter ones (an empty `__init__.py`, a stub) teach nothing but their own boilerplate."""
    rules: tuple[RuleSet, ...] = ()
    """Rules for prose, each with its source in `raytide.jobs.preprocess.quality`; code fails most of them."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes that stay (py3langid, 97 languages); all where empty, and nothing is identified."""
    language_confidence: Fraction = 0.65
    """The least probability of the language, among all that the model knows."""


class NearDuplicates(Strict):
    """MinHash with banding: which documents are almost the same (Broder 1997; Leskovec et al., ch. 3)."""

    similarity: Annotated[Fraction, AboveZero] = 0.7
    """The Jaccard similarity of two documents' shingles, as their signatures estimate it, from which one goes."""
    shingle_words: int = Field(default=5, ge=1)
    """Words in a row that make one shingle; a document with fewer is compared exactly alone."""
    bands: int = Field(default=32, ge=1, le=256)
    """Documents that agree in all rows of one band are compared: of pairs as similar as s, 1 - (1 - s^rows)^bands."""
    rows: int = Field(default=5, ge=1, le=32)


class Decontaminate(Strict):
    """Evaluation text that must not be trained on."""

    against: tuple[str, ...] = Field(min_length=1)
    """Files or folders of evaluation sets, read as the corpus is."""
    ngram_words: int = Field(default=13, ge=3)
    """A document that shares so many words in a row with an evaluation set goes (13: GPT-3, Brown et al. 2020, C)."""


class Tokenizer(Strict):
    """The byte-level BPE vocabulary that is learned from the corpus, or one that exists."""

    existing: str | None = None
    """A folder with a `tokenizer.json`, such as a model's; nothing is learned then."""
    vocab_size: int = Field(default=4096, ge=512)
    """256 bytes, the special tokens, and merges."""
    sample: Bytes = 8_000_000
    """How much training text the merges are learned from."""

    @model_validator(mode="after")
    def _learned_or_not(self) -> Self:
        if self.existing and self.model_fields_set & {"vocab_size", "sample"}:
            raise ValueError("either existing, or vocab_size and sample, which say how one is learned")
        return self


class PreprocessSpec(Strict):
    """Documents to token sequences: read, clean, judge, deduplicate, split, tokenize, pack."""

    task: Literal["preprocess"]
    corpus: Corpus = Corpus()
    output: str
    """The folder to write; it appears only when it is complete, and a killed job goes on where it was."""
    quality: Quality = Quality()
    scrub: tuple[Pii, ...] = ()
    """Personal data that is replaced by its kind, as `<email>`."""
    near_duplicates: NearDuplicates | None = None
    """Where unset, only equal documents are duplicates."""
    decontaminate: Decontaminate | None = None
    tokenizer: Tokenizer = Tokenizer()
    sequence_length: int = Field(default=256, ge=16)
    """Tokens in a packed sequence."""
    held_out: Fraction = 0.05
    """Share of the documents that training never sees, chosen by the hash of their content."""
    shards: int = Field(default=4, ge=1)
    """Parquet files of the training split; the held-out split is one file."""
    seed: int = Field(default=0, ge=0)
    """Salt of the hash that chooses held-out documents and orders the shards."""
