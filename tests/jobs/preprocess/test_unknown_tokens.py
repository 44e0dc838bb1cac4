from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from raytide.core.errors import RaytideError
from raytide.jobs.preprocess.run import _check_known
from raytide.jobs.preprocess.sequences import write_sequences


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a shard is written, with a tokenizer that knows one word."""
    for name in ("documents", "sequences", "tokenizer"):
        (tmp_path / name).mkdir()
    words = Tokenizer(WordLevel({"<unk>": 0, "<eos>": 1, "tide": 2}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "tokenizer" / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<eos>"}))
    return tmp_path


@pytest.mark.parametrize(("known", "unknown"), [(989, 10), (988, 11)])
def test_a_tokenizer_that_does_not_know_more_than_one_percent_is_refused_with_the_counts(
    folder: Path, known: int, unknown: int
) -> None:
    text = " ".join(["tide"] * known + ["ebb"] * unknown)
    pq.write_table(pa.table({"text": [text]}), folder / "documents" / "a.parquet")
    counts = write_sequences("a", folder, 16)
    assert (counts["tokens"], counts["unknown"]) == (1000, unknown)
    if unknown <= 10:
        _check_known([counts])
        return
    with pytest.raises(RaytideError, match="does not match the corpus: 11 of 1000 tokens are unknown to it"):
        _check_known([counts])
