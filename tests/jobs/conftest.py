"""`model`: a folder with a tokenizer and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.spec.preprocess import Tokenizer
from raytide.jobs.preprocess.bpe import train_tokenizer


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer that a preprocess job would write."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("model")
    pq.write_table(
        pa.table({"text": ["what is the answer to this question? it is forty two"] * 4}), folder / "t.parquet"
    )
    train_tokenizer([folder / "t.parquet"], Tokenizer(vocab_size=512), 64, folder / "tokenizer")
    return folder / "tokenizer"
