from pathlib import Path

import pytest

from raytide.core.errors import RaytideError
from raytide.jobs import registry
from raytide.jobs.train import tracked as module
from raytide.jobs.train.metrics import StepMetrics
from raytide.jobs.train.tracked import EXPERIMENT, Tracked

LINEAGE = {"data_hash": "d1", "code_version": "c1", "config": {"steps": 30}}


def entry(step: int) -> StepMetrics:
    return StepMetrics(
        step=step, loss=1.0 / step, learning_rate=0.1, gradient_norm=1.0, tokens=step, tokens_per_s=1.0, elapsed_s=step,
        workers=1, worker_s=step, position=step, samples_checksum=0, memory_bytes=1,
    )  # fmt: skip


def losses(folder: Path) -> list[tuple[int, float]]:
    with registry.tracking_client() as client:
        experiment = client.get_experiment_by_name(EXPERIMENT)
        (run,) = client.search_runs([experiment.experiment_id], f"tags.run_folder = '{folder}'")
        assert run.data.tags["data_hash"] == "d1"
        assert run.data.params["steps"] == "30"
        return [(found.step, found.value) for found in client.get_metric_history(run.info.run_id, "loss")]


def test_a_run_that_is_resumed_is_one_run_in_mlflow_with_each_step_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    folder = tmp_path / "runs" / "chat"
    first = Tracked(folder, LINEAGE)
    first.show([entry(10)])
    first.show([entry(10), entry(20)])
    Tracked(folder, LINEAGE).show([entry(10), entry(20), entry(30)])
    assert losses(folder) == [(10, 0.1), (20, 0.05), (30, pytest.approx(1 / 30))]


def test_a_tracking_server_that_refuses_is_said_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusing() -> None:
        raise RaytideError("The registry refuses: down.")

    monkeypatch.setattr(module, "tracking_client", refusing)
    tracked = Tracked(tmp_path, LINEAGE)
    tracked.show([entry(10)])
    tracked.show([entry(10), entry(20)])
    assert capsys.readouterr().out == "no metrics in MLflow: The registry refuses: down.\n"
