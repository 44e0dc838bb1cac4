"""A run's metrics in MLflow, beside the registry: one MLflow run for a folder, however often it was resumed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.core.home import home
from raytide.jobs.entry import say
from raytide.jobs.registry import tracking_client
from raytide.jobs.train.metrics import StepMetrics

EXPERIMENT: Final = "training"
_FOLDER: Final = "run_folder"
_ENTRIES_PER_BATCH: Final = 50
"""MLflow takes 1000 metrics in a call."""


class Tracked:
    """Sends what was not sent before; what MLflow refuses is said once, and the training goes on."""

    def __init__(self, folder: Path, lineage: Mapping[str, Any]) -> None:
        self._folder, self._lineage = folder, lineage
        self._sent_step, self._refused = 0, False

    def show(self, entries: Sequence[StepMetrics]) -> None:
        """Sends the entries beyond those that were sent."""
        new = [entry for entry in entries if entry["step"] > self._sent_step]
        if not new or self._refused:
            return
        try:
            with tracking_client() as client:
                self._send(client, new)
        except RaytideError as error:
            self._refused = True
            say(f"no metrics in MLflow: {error}")

    def _send(self, client: Any, entries: Sequence[StepMetrics]) -> None:
        run_id, known_step = self._run(client)
        unknown = [entry for entry in entries if entry["step"] > known_step]
        for start in range(0, len(unknown), _ENTRIES_PER_BATCH):
            client.log_batch(run_id, metrics=_metrics(unknown[start : start + _ENTRIES_PER_BATCH]))
        self._sent_step = entries[-1]["step"]

    def _run(self, client: Any) -> tuple[str, int]:
        """`(id, last step)` of the MLflow run of this folder."""
        found = client.get_experiment_by_name(EXPERIMENT)
        where = (home() / "mlflow").as_uri()
        experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT, where)
        runs = client.search_runs([experiment], f"tags.{_FOLDER} = '{self._folder}'")
        if runs:
            return runs[0].info.run_id, int(runs[0].data.metrics.get("step", 0))
        run_id = client.create_run(experiment, run_name=self._folder.name, tags=self._tags()).info.run_id
        for key, value in self._lineage["config"].items():
            client.log_param(run_id, key, value)
        return run_id, 0

    def _tags(self) -> dict[str, str]:
        facts = {key: self._lineage[key] for key in ("data_hash", "code_version") if key in self._lineage}
        return {_FOLDER: str(self._folder), **facts}


def _metrics(entries: Sequence[StepMetrics]) -> list[Any]:
    from mlflow.entities import Metric

    now_ms = int(time.time() * 1000)
    return [
        Metric(key, float(value), now_ms, entry["step"])  # type: ignore[arg-type]
        for entry in entries
        for key, value in entry.items()
    ]
