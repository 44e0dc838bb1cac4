"""What people preferred, from files to pairs of token rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raytide.core.errors import RaytideError, SpecError
from raytide.jobs.train.dataset import IGNORED
from raytide.jobs.train.feedback import file_of, find_feedback
from raytide.jobs.train.preferences import Preference, encode_preferences, read_preferences

ASKED = [{"role": "user", "content": "a?"}]
PREFERENCE = {"prompt": "what?", "chosen": "it is", "rejected": "is it forty two"}


def written(folder: Path, *rows: Any) -> Path:
    file = folder / "preferences.jsonl"
    file.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return file


def test_conversations_and_texts_are_read_and_where_a_preference_was_given_does_not_matter(tmp_path: Path) -> None:
    answers = {"chosen": "b", "rejected": "c"}
    file = written(tmp_path, {"prompt": "a?", **answers}, {"messages": ASKED, **answers, "source": {"by": "edit"}})
    assert read_preferences(file) == [Preference("a?", "b", "c"), Preference(ASKED, "b", "c")]


def test_lines_that_prefer_nothing_are_all_named(tmp_path: Path) -> None:
    answers = {"chosen": "b", "rejected": "c"}
    wrong = [
        "{",
        {"prompt": "a?"},
        {"prompt": "a?", "chosen": "b", "rejected": "b"},
        {"prompt": "a?", "chosen": "", "rejected": "b"},
        {"prompt": "a?", "chosen": "b", "rejected": ""},
        {"prompt": "a?", "chosen": 3, "rejected": "b"},
        {"prompt": "a?", "messages": ASKED, **answers},
        {"messages": [], **answers},
        {"messages": [{"role": "user", "content": [{"type": "image"}]}], **answers},
        {"prompt": "a?", "weight": 2, **answers},
        [1],
    ]
    file = written(tmp_path, PREFERENCE, *wrong)
    with pytest.raises(SpecError) as refused:
        read_preferences(file)
    assert [finding.line for finding in refused.value.findings] == list(range(2, 12))
    assert "no preference" in str(refused.value)


def test_only_the_two_answers_count_and_their_prompt_is_one(tmp_path: Path, model: Path) -> None:
    from transformers import AutoTokenizer

    said = [*ASKED, {"role": "assistant", "content": "forty two"}, {"role": "user", "content": "what?"}]
    row = {"messages": said, "chosen": "it is", "rejected": "is it forty two"}
    answers = encode_preferences(written(tmp_path, row), model, 256).pairs.answers
    learnt = answers.labels != IGNORED
    tokenizer = AutoTokenizer.from_pretrained(model)
    assert [tokenizer.decode(tokens[counts]) for tokens, counts in zip(answers.tokens, learnt, strict=True)] == [
        "it is<|end|>",
        "is it forty two<|end|>",
    ]
    served = tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
    assert [tokens[: len(served)].tolist() for tokens in answers.tokens] == [served, served]


def test_a_text_that_was_continued_is_the_prompt_that_a_server_made_of_it(tmp_path: Path, model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    (chosen, _) = encode_preferences(written(tmp_path, PREFERENCE), model, 256).pairs.answers.tokens
    assert chosen[: len(tokenizer.encode("what?"))].tolist() == tokenizer.encode("what?")
    assert tokenizer.decode(chosen[: len(tokenizer.encode("what?it is")) + 1]) == "<|begin|>what?it is<|end|>"


def test_some_of_the_pairs_keep_both_answers(tmp_path: Path, model: Path) -> None:
    rows = [{**PREFERENCE, "chosen": "it " * (number + 1)} for number in range(4)]
    pairs = encode_preferences(written(tmp_path, *rows), model, 256).pairs
    some = pairs.some(np.array([2, 0]))
    assert (len(pairs), len(some)) == (4, 2)
    assert some.answers.lengths.tolist() == [pairs.answers.lengths[row] for row in (4, 5, 0, 1)]
    assert pairs.num_targets_of(np.array([2, 0])) == 2
    assert pairs.num_tokens_of(np.array([2, 0])) == some.answers.lengths.sum()


def test_pairs_that_are_too_long_are_left_out_and_counted(tmp_path: Path, model: Path) -> None:
    longer = {**PREFERENCE, "rejected": "it " * 100}
    encoded = encode_preferences(written(tmp_path, PREFERENCE, longer), model, 60)
    assert (len(encoded.pairs), encoded.too_long, encoded.alike) == (1, 1, 0)
    with pytest.raises(RaytideError, match="see max_tokens"):
        encode_preferences(written(tmp_path, longer), model, 60)


def test_answers_that_differ_in_white_space_at_their_end_are_alike(tmp_path: Path, model: Path) -> None:
    file = written(tmp_path, PREFERENCE, {"messages": ASKED, "chosen": "it is", "rejected": "it is \n"})
    encoded = encode_preferences(file, model, 60)
    assert (len(encoded.pairs), encoded.too_long, encoded.alike) == (1, 0, 1)


def test_a_conversation_that_the_template_refuses_is_one_sentence(tmp_path: Path, model: Path) -> None:
    from transformers import AutoTokenizer

    strict = AutoTokenizer.from_pretrained(model)
    strict.chat_template = "{{ raise_exception('no system role') }}" + strict.chat_template
    strict.save_pretrained(tmp_path / "strict")
    row = {"messages": ASKED, "chosen": "it is", "rejected": "is it"}
    with pytest.raises(RaytideError, match=r"takes no conversation of user \(no system role\)"):
        encode_preferences(written(tmp_path, row), tmp_path / "strict", 60)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_file_without_preferences_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "preferences.jsonl").write_bytes(content)
    with pytest.raises(RaytideError, match=r"preferences\.jsonl"):
        read_preferences(tmp_path / "preferences.jsonl")


def test_an_export_of_feedback_says_where_it_was_given(tmp_path: Path) -> None:
    file = written(tmp_path, PREFERENCE)
    alone = find_feedback(file)
    assert alone.manifest is None
    manifest = {"kind": "preferences", "service": "chat", "pairs": 1, "data_hash": alone.sha256}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert find_feedback(tmp_path) == alone._replace(manifest=manifest)
    assert file_of(tmp_path) == file_of(file) == file


@pytest.mark.parametrize("other", [{"kind": "samples"}, {"data_hash": "0"}])
def test_an_export_that_was_changed_is_refused(tmp_path: Path, other: dict[str, str]) -> None:
    digest = find_feedback(written(tmp_path, PREFERENCE)).sha256
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "preferences", "data_hash": digest} | other))
    with pytest.raises(RaytideError, match="describes other data"):
        find_feedback(tmp_path)


def test_a_folder_without_preferences_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RaytideError, match=r"No preferences in .*preferences\.jsonl; correct spec\.preferences\.file"):
        find_feedback(tmp_path)
