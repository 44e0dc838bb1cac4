from __future__ import annotations

from pathlib import Path

import pytest

from raytide.core.errors import SpecError
from raytide.jobs.pipeline.declared import read_pipeline

HEAD = "apiVersion: raytide/v1\nkind: Pipeline\nmetadata: {name: flow}\nspec:\n  steps:\n"
DATA = "  - {name: data, spec: {task: preprocess, output: data/flow}}\n"
TRAIN = "  - {name: train, spec: {task: train, data: data/flow, output: runs/flow, steps: 3}}\n"
EVALUATE = (
    "  - {name: evaluate, spec: {task: evaluate, data: data/flow, model: runs/flow/export, registry: {name: flow},"
    " report: reports/flow.json}}\n"
)
PROMOTE = "  - {name: promote, promote: {step: evaluate}}\n"


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    return tmp_path / "flow.yaml"


def test_a_step_waits_for_the_steps_whose_output_it_reads(written: Path) -> None:
    written.write_text(HEAD + PROMOTE + EVALUATE + TRAIN + DATA)
    steps = read_pipeline(written).steps
    assert [step.name for step in steps] == ["data", "train", "evaluate", "promote"]
    assert [step.node.needs for step in steps] == [(), ("data",), ("data", "train"), ("evaluate",)]


def test_answers_wait_for_the_model_and_data_may_be_made_of_answers(written: Path) -> None:
    infer = (
        "  - {name: infer, spec: {task: infer, model: runs/flow/export, input: prompts.jsonl, output: answers/flow}}\n"
    )
    again = "  - {name: again, spec: {task: preprocess, corpus: {source: answers/flow}, output: data/again}}\n"
    written.write_text(HEAD + again + infer + TRAIN + DATA)
    steps = read_pipeline(written).steps
    assert [(step.name, step.node.needs) for step in steps[2:]] == [("infer", ("train",)), ("again", ("infer",))]


def test_preferences_may_be_what_another_step_makes(written: Path) -> None:
    prefer = (
        "  - {name: prefer, spec: {task: train, preferences: {file: answers/flow/pairs.jsonl}, start: runs/flow/export,"
        " output: runs/preferred, steps: 3}}\n"
    )
    infer = "  - {name: infer, spec: {task: infer, model: models/m, input: prompts.jsonl, output: answers/flow}}\n"
    written.write_text(HEAD + prefer + infer + TRAIN + DATA)
    assert read_pipeline(written).steps[-1].node.needs == ("infer", "train")


def test_a_job_in_a_file_is_found_beside_the_pipeline_and_takes_other_values(written: Path) -> None:
    (written.parent / "data.yaml").write_text(
        "apiVersion: raytide/v1\nkind: Job\nmetadata: {name: data}\nspec: {task: preprocess, output: elsewhere}\n"
    )
    written.write_text(HEAD + "  - {name: data, job: data.yaml, set: [spec.output=data/flow]}\n" + TRAIN)
    steps = read_pipeline(written).steps
    assert steps[0].job == {"task": "preprocess", "output": "data/flow"}
    assert steps[1].node.needs == ("data",)


@pytest.mark.parametrize(
    ("steps", "where", "problem"),
    [
        (TRAIN + TRAIN.replace("train", "again", 1), "7:12", "it writes to runs/flow, as train does"),
        (DATA.replace("data/flow", "runs/flow/export/deep") + TRAIN, "7:12", "it writes to runs/flow, as data does"),
        (DATA + PROMOTE.replace("evaluate", "data"), "7:37", "no step that registers a model; found 'data'"),
        (PROMOTE, "4:1", "steps that exist (evaluate does not; promote do)"),
        (DATA + DATA, "4:1", "data is there twice"),
        (
            DATA.replace("spec: {task: preprocess, output: data/flow}", "needs: []"),
            "6:5",
            "one of job, spec and promote",
        ),
        (DATA.replace("spec:", "set: [a=b], spec:"), "6:5", "set only beside job"),
        (EVALUATE + PROMOTE.replace("promote:", "when: ended, promote:"), "7:5", "only with when: passed"),
        (EVALUATE + PROMOTE.replace("evaluate", "evaluate, through: absent.yaml"), "absent.yaml", "no such file"),
        (EVALUATE + PROMOTE.replace("evaluate", "evaluate, cluster: c.yaml"), "7:21", "cluster only beside through"),
        (DATA.replace("output", "outptu"), "6:43", "unknown key; did you mean 'output'?"),
        ("  - {name: data, job: absent.yaml}\n", "absent.yaml", "no such file"),
        (
            TRAIN.replace("data: data/flow", "start: reports/x") + TRAIN.replace("name: train", "name: other"),
            "6:19",
            "either data or examples or preferences",
        ),
        (
            DATA.replace("output", "corpus: {source: runs/flow}, output") + TRAIN,
            "5:3",
            "wait for each other: ",
        ),
    ],
)
def test_what_does_not_fit_is_said_at_its_place(written: Path, steps: str, where: str, problem: str) -> None:
    written.write_text(HEAD + steps)
    with pytest.raises(SpecError) as refused:
        read_pipeline(written)
    assert problem in str(refused.value)
    assert where in str(refused.value)
