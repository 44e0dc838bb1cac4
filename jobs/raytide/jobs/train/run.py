"""The train job: starts, resumes or finds finished the run that the spec declares."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Final

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.spec.train import TrainSpec
from raytide.jobs.artefact import exclusive, write_json
from raytide.jobs.differences import differences
from raytide.jobs.entry import connected, last_line, say
from raytide.jobs.json_file import read_object
from raytide.jobs.train.export import LINEAGE
from raytide.jobs.train.follow import followed
from raytide.jobs.train.goodput import begin
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.prepare import plan_of, prepare_examples
from raytide.jobs.train.tracked import Tracked
from raytide.jobs.train.trainer import trainer_of

_RUN: Final = "run.json"
CHANGES_NOTHING: Final[dict[str, Any]] = {
    "data": True, "examples": True, "preferences": {"file": True}, "start": True, "output": True, "min_workers": True,
    "grow_every": True, "checkpoint_every": True, "keep_checkpoints": True, "max_failures": True,
    "cpus_per_worker": True, "price": True,
}  # fmt: skip
"""Settings that may differ when a run is resumed; data and the model to go on from count by what is in them."""


def run(spec: TrainSpec) -> None:
    """Trains to the last step and exports, or says that this was done before."""
    plan = plan_of(spec)
    with exclusive(plan.output):
        _claim(plan)
        if not (plan.export / LINEAGE).exists():
            plan = prepare_examples(plan)
            with connected():
                _fit(plan)
        _summarise(plan)


def _claim(plan: Plan) -> None:
    """Makes the output folder this run's, or checks that it is.

    Raises:
        RaytideError: It belongs to another run, or to something else.
    """
    decides = plan.spec.model_dump(mode="json", exclude=CHANGES_NOTHING)
    decides |= {key: plan.lineage[key] for key in ("data_hash", "start_hash") if key in plan.lineage}
    file = plan.output / _RUN
    if not file.exists():
        if plan.output.exists() and any(plan.output.iterdir()):
            raise RaytideError(f"{plan.output} is no training run; choose another spec.output.")
        write_json(file, decides)
        begin(plan.output, time.time())
    changed = differences(read_object(file) or {}, decides)
    if changed:
        raise RaytideError(
            f"{plan.output} is a run with other settings ({changed}); "
            "choose another spec.output, or delete that folder."
        )


def _fit(plan: Plan) -> None:
    # The dashboard's Train tab is empty without it.
    os.environ.setdefault("RAY_TRAIN_ENABLE_STATE_TRACKING", "1")
    from ray.train.v2.api.exceptions import TrainingFailedError

    _announce(plan)
    try:
        with followed(plan.output, plan.spec.steps, Tracked(plan.output, plan.lineage)):
            ended = trainer_of(plan).fit().return_value
    except TrainingFailedError as error:
        raise RunFailed(
            f"Training failed ({_cause(error)}); submit the job again to go on from the latest checkpoint."
        ) from error
    if ended:
        raise RunFailed(ended)


def _announce(plan: Plan) -> None:
    import ray

    spec, free = plan.spec, ray.available_resources()
    need = (spec.min_workers or spec.workers) * (spec.cpus_per_worker if spec.accelerator == "CPU" else 1)
    unit = "CPU" if spec.accelerator == "CPU" else "GPU"
    sequences = spec.micro_batches * spec.batch_size_per_worker
    what = f"{sequences} {'pairs' if spec.preferences else 'examples'}"
    if plan.sequence_length:
        what = f"{sequences * plan.sequence_length} tokens"
    workers = f"{spec.min_workers} to {spec.workers}" if spec.min_workers else f"{spec.workers}"
    say(f"training {spec.steps} steps of {what} on {workers} workers")
    if free.get(unit, 0) < need:
        say(f"waiting for {need} {unit}: the cluster has {free.get(unit, 0):g} free now")


def _cause(error: BaseException) -> str:
    """What went wrong in the first worker that failed, else in the run as a whole."""
    failures = getattr(error, "worker_failures", None) or {}
    return last_line(next(iter(failures.values()), error))


def _summarise(plan: Plan) -> None:
    lineage = json.loads((plan.export / LINEAGE).read_text())
    cost = f", ${lineage['usd']:.4f}" if "usd" in lineage else ""
    kept = f", {lineage['goodput']:.0%} of the time since it began" if "goodput" in lineage else ""
    say(
        f"{lineage['steps']} steps, {lineage['tokens']} tokens in {lineage['wall_s']} s{kept} "
        f"({lineage['tokens_per_s']:.0f} tokens/s{cost}); loss {lineage['final_loss']:.3f}"
    )
    say(f"model in {plan.export}")
