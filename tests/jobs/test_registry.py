import json
import subprocess
import sys
from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.jobs.registry import (
    EVALUATED_ON,
    PRODUCTION_VERSION,
    ModelVersion,
    promote,
    register,
    resolve,
    rollback,
    versions,
)


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def registered(storage: Path, weights: str, name: str = "chat") -> ModelVersion:
    folder = storage / "export"
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_text(weights)
    (folder / "lineage.json").write_text(json.dumps({"data_hash": "d1", "config": {"steps": 3}}))
    return register(name, folder, metrics={"perplexity": 7.5}, tags={"data_hash": "d1"}, alias="candidate")


def test_a_lineage_that_was_cut_in_half_is_said_in_one_sentence(storage: Path) -> None:
    (registered(storage, "one").path / "lineage.json").write_text('{"data_h')
    with pytest.raises(RaytideError, match=r"lineage.json is damaged"):
        versions("chat")


def test_versions_aliases_and_lineage_in_one_life(storage: Path) -> None:
    with pytest.raises(RaytideError, match="it is empty"):
        resolve("registry:chat@candidate")
    first = registered(storage, "one")
    assert (first.version, first.aliases, first.metrics) == (1, ("candidate",), {"perplexity": 7.5})
    assert resolve("registry:chat@candidate").lineage["data_hash"] == "d1"

    assert promote("chat", "candidate").aliases == ("candidate", "production")
    second = registered(storage, "two")
    assert second.version == 2
    # Training again wrote over the export; what production serves is a copy.
    assert (resolve("registry:chat@production").path / "model.safetensors").read_text() == "one"

    assert registered(storage, "two").version == 2
    assert [version.version for version in versions("chat")] == [1, 2]
    with pytest.raises(RaytideError, match=r"no chat@staging; it has chat@1, chat@production, chat@2, chat@candidate"):
        resolve("registry:chat@staging")
    with pytest.raises(RaytideError, match="no draw@1; it has chat"):
        resolve("registry:draw@1")
    assert versions("draw") == ()


def test_a_reference_of_another_form_is_a_sentence() -> None:
    with pytest.raises(RaytideError, match="write registry:NAME@ALIAS"):
        resolve("chat")


def test_first_use_by_several_processes_creates_one_registry() -> None:
    program = "from raytide.jobs.registry import versions; print(versions('chat'))"
    commands = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [command.communicate(timeout=100)[0] for command in commands] == ["()\n"] * 3


def test_a_rollback_goes_back_through_what_an_alias_has_named(storage: Path) -> None:
    for weights in ("one", "two", "three"):
        registered(storage, weights)
    with pytest.raises(RaytideError, match="production of chat was never another version"):
        rollback("chat")
    for version in ("1", "2", "2", "3"):
        promote("chat", version)
    assert [rollback("chat").version for _ in range(2)] == [2, 1]
    with pytest.raises(RaytideError, match="was never another version"):
        rollback("chat")
    assert resolve("registry:chat@production").version == 1
    with pytest.raises(RaytideError, match="no draw; it has chat"):
        rollback("draw")


def test_a_version_says_what_it_was_evaluated_on(storage: Path) -> None:
    folder = storage / "export"
    folder.mkdir()
    (folder / "model.safetensors").write_text("one")
    found = register("chat", folder, metrics={}, tags={EVALUATED_ON: "d2", "report": "r.json"}, alias="candidate")
    assert (found.evaluated_on, found.tags) == ("d2", {EVALUATED_ON: "d2", "report": "r.json"})


def test_a_model_that_is_evaluated_again_is_known_by_its_latest_evaluation(storage: Path) -> None:
    folder = storage / "export"
    folder.mkdir()
    (folder / "model.safetensors").write_text("one")
    before = {EVALUATED_ON: "d1", PRODUCTION_VERSION: "7"}
    register("chat", folder, metrics={"perplexity": 7.5, "accuracy_a": 0.5}, tags=before, alias="candidate")
    found = register("chat", folder, metrics={"perplexity": 6.5}, tags={EVALUATED_ON: "d2"}, alias="candidate")
    assert found.version == 1
    assert (found.evaluated_on, found.evaluated_beside) == ("d2", None)
    assert found.metrics["perplexity"] == 6.5


@pytest.mark.parametrize("uri", ["http://me:hunter2@127.0.0.1:1", "nosuch://me:hunter2@h", "https://me:hunter2@h:x"])
def test_no_error_repeats_the_password_of_the_registry(
    storage: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RaytideError) as said:
        versions("chat")
    assert "hunter2" not in str(said.value)
    assert "MLFLOW_TRACKING_URI" in str(said.value) or "me:…@" in str(said.value)
