from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytide.cli.lineage import describe, traced
from raytide.jobs.registry import EVALUATED_ON, ModelVersion, promote, register

TRAINED = {
    "data_hash": "0123456789abcdef0123",
    "code_version": "abc123",
    "config": {"data": "data/code", "steps": 60, "seed": 1, "model": {"layers": 2}},
    "steps": 60,
    "tokens": 15360,
    "final_loss": 4.25,
    "wall_s": 9.5,
    "usd": 0.0012,
}


@pytest.fixture(autouse=True)
def _storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_the_lineage_of_what_is_served_names_data_code_configuration_run_and_evaluation(
    tmp_path: Path, here: Callable[..., Any]
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "lineage.json").write_text(json.dumps(TRAINED))
    tags = {EVALUATED_ON: "fedcba9876543210ff", "run_folder": "/runs/code", "report": "/reports/code.json"}
    made = register("chat", folder, metrics={"perplexity": 70.25, "bits_per_byte": 1.5}, tags=tags, alias="candidate")
    promote("chat", "candidate")
    assert here("models", "lineage", "chat@production").out.splitlines() == [
        "chat v1  candidate production",
        f"  files       {made.path}",
        "  evaluation  /reports/code.json",
        "              perplexity 70.25, bits per byte 1.5, on data fedcba9876543210",
        "  run         /runs/code",
        "              60 steps, 15,360 tokens, loss 4.25, $0.0012",
        "  config      steps 60, seed 1",
        "  code        abc123",
        "  data        data/code, hash 0123456789abcdef",
    ]
    assert here("models", "show", "chat@1").out.splitlines() == [
        "chat v1  candidate production",
        f"  files  {made.path}",
        "  bits_per_byte  1.5",
        "  perplexity  70.25",
    ]
    shown = json.loads(here("models", "show", "chat@1", "--json").out)
    assert (shown["path"], shown["metrics"]["perplexity"]) == (str(made.path), 70.25)
    told = json.loads(here("models", "lineage", "chat@production", "--json").out)
    assert (told["config"], told["evaluation"]["evaluated_on"]) == (TRAINED["config"], "fedcba9876543210ff")


def test_the_lineage_of_a_preferred_model_says_whose_feedback_it_learnt_from(tmp_path: Path) -> None:
    preferred = TRAINED | {
        "config": {"start": "registry:chat@production", "preferences": {"file": "feedback/chat", "beta": 0.1}},
        "counts": {"pairs": 1200, "too_long": 3, "alike": 0},
        "feedback": {"kind": "preferences", "service": "chat", "pairs": 1203},
    }
    lines = list(describe(traced(ModelVersion(name="chat", version=2, path=tmp_path, lineage=preferred))))
    assert lines[-2:] == [
        "  data        feedback/chat, hash 0123456789abcdef",
        "              1,200 pairs, feedback on service chat, beta 0.1",
    ]
    untold = {key: value for key, value in preferred.items() if key not in ("counts", "feedback")}
    *_, last = describe(traced(ModelVersion(name="chat", version=2, path=tmp_path, lineage=untold)))
    assert last == "              beta 0.1"


def test_what_is_not_known_of_a_model_is_said_and_not_made_up(tmp_path: Path) -> None:
    lines = list(describe(traced(ModelVersion(name="chat", version=2, path=tmp_path))))
    assert [line.split("  ")[-1].strip() for line in lines[2:6]] == ["unknown: its export says nothing of it"] * 4
    assert lines[-1] == "  data        unknown folder, hash unknown"


def test_an_unknown_version_is_one_sentence(here: Callable[..., Any]) -> None:
    shown = here("models", "lineage", "chat@production")
    assert shown.exit_code == 1
    assert shown.err.startswith("The registry has no chat@production; it is empty")
