from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raytide.core.spec.preprocess import Tokenizer
from raytide.jobs.preprocess.bpe import BOS, EOS, train_tokenizer
from raytide.jobs.preprocess.documents import taken
from raytide.jobs.preprocess.read.chat import text_of

TEXTS = [f"def function_{number}(argument):\n    return argument + {number}  # é 漢\n" for number in range(200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    pq.write_table(pa.table({"text": TEXTS}), folder / "train-00000.parquet")
    for name in ("first", "second"):
        train_tokenizer([folder / "train-00000.parquet"], Tokenizer(vocab_size=512), 64, folder / name)
    return folder


def test_the_same_documents_give_the_same_bytes(folder: Path) -> None:
    assert (folder / "first" / "tokenizer.json").read_bytes() == (folder / "second" / "tokenizer.json").read_bytes()


def test_transformers_loads_it_and_any_text_survives(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "first")
    text = "unseen ☃ text\twith\n\n  blanks"
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode(text))[0] == BOS
    assert tokenizer.eos_token == EOS


def test_a_conversation_becomes_one_text(folder: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder / "first")
    messages = [{"role": "user", "content": "hello"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == f"{BOS}user: hello\nassistant: "


def test_a_conversation_of_the_corpus_reads_as_the_template_writes_it(folder: Path) -> None:
    from transformers import AutoTokenizer

    turns = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]
    template = AutoTokenizer.from_pretrained(folder / "first").apply_chat_template(turns, tokenize=False)
    assert template == f"{BOS}{text_of(turns)}"


def test_documents_are_taken_until_they_fill_the_sample() -> None:
    assert list(taken(["aaaa", "bbbb", "cccc"], 5)) == ["aaaa", "bbbb"]
