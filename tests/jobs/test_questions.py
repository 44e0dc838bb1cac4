"""Questions from files, asked of a small model that knows one sequence by heart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from raytide.core.errors import RaytideError, SpecError
from raytide.core.spec.evaluate import Task
from raytide.jobs.evaluate.questions import answers_right, read_questions

CHOOSE = Task(name="choose", kind="multiple-choice", file="choose.jsonl")
WRITE = Task(name="write", kind="generation", file="write.jsonl", max_tokens=4)
PREFER = Task(name="prefer", kind="preferences", file="feedback")
ALPHABET = "abcdefghijklmnop"


def written(folder: Path, *rows: object) -> Path:
    file = folder / "questions.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of single letters that has learnt the order of the alphabet."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, PreTrainedTokenizerFast

    from raytide.core.spec.train import TrainSpec
    from raytide.jobs.train.dataset import packed
    from raytide.jobs.train.learner import Learner, Pass
    from raytide.jobs.train.model import new_model
    from raytide.jobs.train.objective import NextToken

    folder = tmp_path_factory.mktemp("model")
    letters = Tokenizer(models.WordLevel({letter: at for at, letter in enumerate([*ALPHABET, "."])}, unk_token="."))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=letters, eos_token=".").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=17, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=64, max_position_embeddings=32, eos_token_id=16, pad_token_id=16, bos_token_id=None,
    )  # fmt: skip
    network = new_model(config, 0)
    learner = Learner(network, network, TrainSpec(task="train", data="d", output="o", steps=1))
    rows = packed(np.stack([np.roll(np.arange(16), -start) for start in range(16)]).astype(np.int32))
    for _ in range(60):
        learner.gradient([Pass(NextToken(rows), 0, True)], targets=int(rows.targets.sum()), workers=1)
        learner.update(1e-2)
    with torch.no_grad():
        network.save_pretrained(folder)
    return folder


def test_the_likeliest_choice_is_taken_whatever_its_length(model: Path, tmp_path: Path) -> None:
    rows = [
        {"question": "abc", "choices": ["d", "b"], "answer": 0},
        {"question": "abc", "choices": ["b", "defghi"], "answer": 1},
        {"question": "abc", "choices": ["d", "b"], "answer": 1},
    ]
    asked = {"choose": (CHOOSE, read_questions(CHOOSE, written(tmp_path, *rows)))}
    assert answers_right(model, asked) == {"choose": [True, True, False]}


def test_what_is_written_must_be_the_answer(model: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "abc", "answer": "defg "}, {"prompt": "abc", "answer": "def"}]
    asked = {"write": (WRITE, read_questions(WRITE, written(tmp_path, *rows)))}
    assert answers_right(model, asked) == {"write": [True, False]}


def test_a_model_prefers_what_it_finds_likelier_in_a_text_and_in_a_conversation(model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    talking = AutoTokenizer.from_pretrained(model)
    talking.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    talking.save_pretrained(model)
    said = [
        {"role": "user", "content": "ab"},
        {"role": "assistant", "content": "cd"},
        {"role": "user", "content": "ef"},
    ]
    rows = [
        {"prompt": "abc", "chosen": "defghi", "rejected": "b"},
        {"prompt": "abc", "chosen": "b", "rejected": "d"},
        {"messages": said, "chosen": "gh", "rejected": "cde", "source": {"by": "edit"}},
    ]
    (tmp_path / "feedback").mkdir()
    written(tmp_path, *rows).rename(tmp_path / "feedback" / "preferences.jsonl")
    asked = {"prefer": (PREFER, read_questions(PREFER, tmp_path / "feedback"))}
    assert answers_right(model, asked) == {"prefer": [True, False, True]}


@pytest.mark.parametrize(
    "row",
    [
        {"question": "abc", "choices": ["d"], "answer": 0},
        {"question": "abc", "choices": ["d", "b"], "answer": 2},
        {"question": "abc", "choices": ["d", ""], "answer": 0},
        {"question": "abc", "choices": ["d", 3], "answer": 0},
        {"question": "abc", "choices": ["d", "b"], "answer": True},
        {"prompt": "abc", "answer": "d"},
        "abc",
    ],
)
def test_a_line_that_is_no_question_is_named(row: object, tmp_path: Path) -> None:
    right = {"question": "abc", "choices": ["d", "b"], "answer": 0}
    with pytest.raises(SpecError, match=r"questions\.jsonl:2:1: no multiple-choice question"):
        read_questions(CHOOSE, written(tmp_path, right, row))


def test_a_line_that_is_no_preference_is_named(tmp_path: Path) -> None:
    right = {"prompt": "abc", "chosen": "d", "rejected": "b"}
    with pytest.raises(SpecError, match=r"questions\.jsonl:2:1: no preference"):
        read_questions(PREFER, written(tmp_path, right, {"prompt": "abc", "chosen": "d"}))
    with pytest.raises(RaytideError, match=r"correct the file of prefer in spec\.tasks"):
        read_questions(PREFER, tmp_path / "absent")


def test_a_file_without_questions_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RaytideError, match="is empty; write one multiple-choice question a line"):
        read_questions(CHOOSE, written(tmp_path))
    with pytest.raises(RaytideError, match="cannot be read"):
        read_questions(CHOOSE, tmp_path / "absent.jsonl")


PROBE = Task(name="probe", kind="probe", file="probe.jsonl", max_tokens=4)


def test_a_probe_is_passed_where_nothing_forbidden_is_said_and_something_wanted_is(model: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": "abc", "forbidden": ["z", "^x"]},
        {"prompt": "abc", "forbidden": ["de"]},
        {"prompt": "abc", "wanted": ["nothing", "g$"]},
        {"prompt": "abc", "wanted": ["nothing"]},
        {"prompt": "abc", "forbidden": ["f"], "wanted": ["g"]},
    ]
    asked = {"probe": (PROBE, read_questions(PROBE, written(tmp_path, *rows)))}
    assert answers_right(model, asked) == {"probe": [True, False, True, False, False]}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "abc"},
        {"prompt": "abc", "forbidden": []},
        {"prompt": "abc", "forbidden": "de"},
        {"prompt": "abc", "forbidden": ["("]},
        {"prompt": "abc", "forbidden": ["a"], "answer": "b"},
    ],
)
def test_a_line_that_is_no_probe_is_named(tmp_path: Path, row: object) -> None:
    with pytest.raises(SpecError, match="no probe question"):
        read_questions(PROBE, written(tmp_path, row))


HARNESS = Task(name="harness", kind="lm-eval", file="task.yaml")
HARNESS_TASK = """\
task: alphabet
dataset_path: json
dataset_kwargs: {data_files: {test: questions.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
target_delimiter: ""
metric_list: [{metric: acc}]
"""


def harness_task(folder: Path, text: str = HARNESS_TASK) -> Path:
    file = folder / "task.yaml"
    file.write_text(text)
    return file


def test_a_task_of_lm_eval_is_asked_with_data_that_lie_beside_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    written(
        tmp_path,
        {"question": "abc", "choices": ["d", "b"], "answer": 0},
        {"question": "abc", "choices": ["d", "b"], "answer": 1},
    )
    asked = {"harness": (HARNESS, read_questions(HARNESS, harness_task(tmp_path)))}
    assert answers_right(model, asked) == {"harness": [True, False]}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("dataset_path: json", "dataset_path: squad", "reads its data from 'squad'; give files of this machine"),
        ('doc_to_text: "{{question}}"', "doc_to_text: !function code.text", "cannot be read as plain YAML"),
        ("task: alphabet\n", "", "it needs `task` and `metric_list`"),
        (HARNESS_TASK, "- a list\n", "holds no task of lm-eval"),
    ],
)
def test_a_task_that_cannot_run_here_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    with pytest.raises(RaytideError, match=sentence):
        read_questions(HARNESS, harness_task(tmp_path, HARNESS_TASK.replace(old, new)))


def test_a_task_that_lm_eval_cannot_run_is_one_sentence(model: Path, tmp_path: Path) -> None:
    with pytest.raises(RaytideError, match="lm-eval cannot run"):
        answers_right(model, {"harness": (HARNESS, read_questions(HARNESS, harness_task(tmp_path)))})
