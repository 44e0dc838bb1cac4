"""From a spec to a run's folder: what is in it, what its lineage says, and what makes it another run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raytide.core.errors import RaytideError
from raytide.core.spec.preprocess import Tokenizer
from raytide.core.spec.train import Preferences, TrainSpec
from raytide.jobs.pipeline.made import inputs_of
from raytide.jobs.preprocess.bpe import train_tokenizer
from raytide.jobs.train.examples import load_examples
from raytide.jobs.train.prepare import plan_of, prepare_examples
from raytide.jobs.train.run import run

ROWS = [
    {"prompt": "what?", "chosen": "it is", "rejected": "forty two"},
    {"prompt": "what?", "chosen": "it is", "rejected": "forty " * 90},
    {"messages": [{"role": "user", "content": "what?"}], "chosen": "it is", "rejected": "it is "},
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Storage with a model's tokenizer and sizes, and an export of feedback."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    pq.write_table(pa.table({"text": ["what is it? it is forty two"] * 4}), tmp_path / "t.parquet")
    train_tokenizer([tmp_path / "t.parquet"], Tokenizer(vocab_size=512), 64, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text(json.dumps({"vocab_size": 512, "max_position_embeddings": 64}))
    exported(tmp_path / "feedback", ROWS)
    return tmp_path


def exported(folder: Path, rows: list[Any]) -> None:
    from raytide.jobs.artefact import sha256_of_file

    folder.mkdir()
    file = folder / "preferences.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    manifest = {"kind": "preferences", "service": "chat", "pairs": len(rows), "data_hash": sha256_of_file(file)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def spec(file: str = "feedback", **settings: Any) -> TrainSpec:
    preferences = Preferences(file=file, **settings)
    return TrainSpec(task="train", preferences=preferences, start="model", output="runs/preferred", steps=3)


def test_pairs_are_put_into_the_run_and_its_lineage_says_whose_and_how_many(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = plan_of(spec())
    plan.output.mkdir(parents=True)
    lineage = prepare_examples(plan).lineage
    assert lineage["counts"] == {"pairs": 1, "too_long": 1, "alike": 1}
    assert (lineage["feedback"]["service"], lineage["feedback"]["pairs"]) == ("chat", 3)
    assert lineage["start"] == str(home / "model")
    assert lineage["config"]["preferences"]["beta"] == 0.1
    assert len(load_examples(plan.output)) == 2
    said = capsys.readouterr().out
    assert "1 pairs of at most" in said
    assert "1 longer than 64 left out; 1 with twice the same answer left out" in said
    assert prepare_examples(plan).lineage == lineage
    assert capsys.readouterr().out == ""


def test_a_step_of_a_pipeline_knows_preferences_by_their_content_and_their_beta(home: Path) -> None:
    exported(home / "moved", ROWS)
    exported(home / "longer", [*ROWS, ROWS[0]])
    known = inputs_of(spec())
    assert inputs_of(spec("moved")) == inputs_of(spec("moved/preferences.jsonl")) == known
    assert inputs_of(spec("longer"))["data"] != known["data"]
    stronger = inputs_of(spec(beta=0.5))
    assert (stronger["data"], stronger["settings"] != known["settings"]) == (known["data"], True)


def test_a_run_goes_on_with_the_beta_that_it_began_with(home: Path) -> None:
    from raytide.jobs.artefact import write_json

    begun = plan_of(spec())
    write_json(begun.output / "run.json", {"preferences": {"max_tokens": 1024, "beta": 0.1, "label_smoothing": 0.0}})
    with pytest.raises(RaytideError, match=r"other settings \(.*preferences\.beta: 0\.1, now 0\.5"):
        run(spec(beta=0.5))
