import json
from pathlib import Path

import numpy as np
import pytest

from raytide.core.errors import RaytideError, SpecError
from raytide.jobs.train.conversation import Messages, Segment, read_conversations, segments
from raytide.jobs.train.dataset import IGNORED, Dataset
from raytide.jobs.train.examples import encode_examples, load_examples, write_examples

QUESTION = [{"role": "user", "content": "a?"}, {"role": "assistant", "content": "b"}]


def rendered(messages: Messages, answer_follows: bool) -> str:
    return "".join(f"<{m['role']}>{m['content']}\n" for m in messages) + ("<assistant>" if answer_follows else "")


def written(folder: Path, *lines: str) -> Path:
    file = folder / "pairs.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_only_what_the_assistant_says_is_learnt() -> None:
    system = {"role": "system", "content": "be brief"}
    more = [{"role": "user", "content": "c?"}, {"role": "assistant", "content": "d"}]
    assert list(segments([system, *QUESTION, *more], rendered)) == [
        Segment("<system>be brief\n<user>a?\n<assistant>", False),
        Segment("b\n", True),
        Segment("<user>c?\n<assistant>", False),
        Segment("d\n", True),
    ]


def test_what_follows_the_last_answer_is_left_out() -> None:
    assert list(segments([*QUESTION, {"role": "user", "content": "?"}], rendered))[-1] == Segment("b\n", True)


def test_a_template_that_rewrites_what_was_said_is_refused() -> None:
    def counted(messages: Messages, answer_follows: bool) -> str:
        return f"{len(messages)} messages: {rendered(messages, answer_follows)}"

    with pytest.raises(RaytideError, match="only appends"):
        list(segments(QUESTION, counted))


def test_a_prompt_and_an_answer_are_a_conversation(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps({"prompt": "a?", "answer": "b"}), "", json.dumps({"messages": QUESTION}))
    assert read_conversations(file) == [QUESTION, QUESTION]


def test_lines_that_are_no_conversations_are_all_named(tmp_path: Path) -> None:
    wrong = [
        "{",
        json.dumps({"prompt": "a?"}),
        json.dumps({"messages": [{"role": "user", "content": "a?"}]}),
        json.dumps({"messages": [{"role": "assistant", "content": 3}]}),
        json.dumps({"prompt": "a?", "answer": "b", "weight": 2}),
        json.dumps([1]),
        json.dumps({"prompt": "a?", "answer": "\ud800"}),
        "[" * 100_000,
    ]
    file = written(tmp_path, json.dumps({"messages": QUESTION}), *wrong)
    with pytest.raises(SpecError) as refused:
        read_conversations(file)
    assert [finding.line for finding in refused.value.findings] == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_line_ends_where_json_says(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    line = json.dumps({"prompt": "a\u2028?", "answer": "b\x85"}, ensure_ascii=False)
    file.write_text(f"\ufeff{line}\r\n{line}", encoding="utf-8")
    assert [messages[1]["content"] for messages in read_conversations(file)] == ["b\x85", "b\x85"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_file_without_text_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(content)
    with pytest.raises(RaytideError, match=r"pairs\.jsonl"):
        read_conversations(file)


def encoded(file: Path, model: Path, max_tokens: int = 256) -> tuple[Dataset, int]:
    return encode_examples(file, model, max_tokens)


def test_the_loss_counts_the_answer_and_its_end_alone(tmp_path: Path, model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    file = written(tmp_path, json.dumps({"prompt": "what is the answer?", "answer": "it is forty two"}))
    dataset, _ = encoded(file, model)
    (tokens,), (labels,) = dataset.tokens, dataset.labels
    learnt = tokens[labels != IGNORED]
    assert tokenizer.decode(learnt) == "it is forty two<|end|>"
    # The prompt is what a server makes of the same question.
    served = tokenizer.apply_chat_template(
        [{"role": "user", "content": "what is the answer?"}], add_generation_prompt=True, return_dict=False
    )
    assert tokens[: -len(learnt)].tolist() == served
    assert dataset.targets.tolist() == [len(learnt)]


def test_shorter_examples_are_padded_with_what_the_loss_ignores(tmp_path: Path, model: Path) -> None:
    answers = ("it is", "it is forty two and this question is long")
    file = written(tmp_path, *(json.dumps({"prompt": "what?", "answer": answer}) for answer in answers))
    dataset, _ = encoded(file, model)
    assert dataset.lengths[0] < dataset.lengths[1] == dataset.tokens.shape[1]
    assert (dataset.labels[0, dataset.lengths[0] :] == IGNORED).all()
    assert dataset.rows(np.array([0])).tokens.shape == (1, dataset.lengths[0])


def test_examples_that_are_too_long_are_left_out_and_counted(tmp_path: Path, model: Path) -> None:
    answers = ("it is", "it is " * 100)
    file = written(tmp_path, *(json.dumps({"prompt": "what?", "answer": answer}) for answer in answers))
    dataset, too_long = encoded(file, model, max_tokens=60)
    assert (len(dataset), too_long) == (1, 1)
    with pytest.raises(RaytideError, match="see max_tokens"):
        encoded(file, model, max_tokens=8)


def test_a_data_set_is_read_as_it_was_written(tmp_path: Path, model: Path) -> None:
    file = written(tmp_path, json.dumps({"prompt": "what?", "answer": "it is"}))
    dataset, _ = encoded(file, model)
    write_examples(dataset, tmp_path)
    again = load_examples(tmp_path)
    assert (again.tokens == dataset.tokens).all()
    assert (again.labels == dataset.labels).all()
    assert again.checksum == dataset.checksum
