"""The train job: starts, resumes or finds finished the run that the spec declares."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from raytide.core.errors import RaytideError, RunFailed
from raytide.core.home import below_home
from raytide.core.spec.job import TrainSpec
from raytide.jobs.artefact import exclusive, write_json
from raytide.jobs.code_version import code_version
from raytide.jobs.differences import differences
from raytide.jobs.entry import connected, last_line, say
from raytide.jobs.preprocess.manifest import read_manifest
from raytide.jobs.train.export import LINEAGE
from raytide.jobs.train.follow import followed
from raytide.jobs.train.plan import Plan

_RUN: Final = "run.json"
_CHANGES_NOTHING: Final = {
    "data", "output", "checkpoint_every", "keep_checkpoints", "max_failures", "cpus_per_worker", "price",
}  # fmt: skip
"""Settings that may differ when a run is resumed; the data counts by its hash, not by its path."""


def run(spec: TrainSpec) -> None:
    """Trains to the last step and exports, or says that this was done before."""
    plan = _plan(spec)
    with exclusive(plan.output):
        _claim(plan)
        if not (plan.export / LINEAGE).exists():
            with connected():
                _fit(plan)
        _summarise(plan)


def _plan(spec: TrainSpec) -> Plan:
    data = below_home(spec.data)
    manifest = read_manifest(data)
    return Plan(
        spec=spec,
        data=data,
        output=below_home(spec.output),
        sequence_length=manifest["made_from"]["sequence_length"],
        lineage={
            "data_hash": manifest["data_hash"],
            "code_version": code_version(),
            "config": spec.model_dump(mode="json"),
        },
    )


def _claim(plan: Plan) -> None:
    """Makes the output folder this run's, or checks that it is.

    Raises:
        RaytideError: It belongs to another run, or to something else.
    """
    decides = plan.spec.model_dump(mode="json", exclude=_CHANGES_NOTHING)
    decides |= {"data_hash": plan.lineage["data_hash"]}
    file = plan.output / _RUN
    if not file.exists():
        if plan.output.exists() and any(plan.output.iterdir()):
            raise RaytideError(f"{plan.output} is no training run; choose another spec.output.")
        write_json(file, decides)
    changed = differences(json.loads(file.read_text()), decides)
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
        with followed(plan.output, plan.spec.steps):
            diverged_at = _trainer(plan).fit().return_value
    except TrainingFailedError as error:
        raise RunFailed(
            f"Training failed ({_cause(error)}); submit the job again to go on from the latest checkpoint."
        ) from error
    if diverged_at is not None:
        raise RunFailed(
            f"Training diverged: the gradient of step {diverged_at} is not finite; "
            "lower spec.learning_rate or raise spec.warmup_steps, and choose a new spec.output."
        )


def _trainer(plan: Plan) -> Any:
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from raytide.jobs.train.worker import train_worker

    spec, on_cpu = plan.spec, plan.spec.accelerator == "CPU"
    return TorchTrainer(
        train_worker,
        train_loop_config={"plan": plan},
        torch_config=TorchConfig(backend="gloo" if on_cpu else "nccl"),
        scaling_config=ScalingConfig(
            num_workers=spec.workers,
            use_gpu=not on_cpu,
            resources_per_worker={"CPU": spec.cpus_per_worker} | ({} if on_cpu else {"GPU": 1}),
            accelerator_type=None if on_cpu else spec.accelerator,
        ),
        # The same name and folder make Ray Train go on from the latest checkpoint there.
        run_config=RunConfig(
            name="checkpoints",
            storage_path=str(plan.output),
            failure_config=FailureConfig(max_failures=spec.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=spec.keep_checkpoints),
        ),
    )


def _announce(plan: Plan) -> None:
    import ray

    spec, free = plan.spec, ray.available_resources()
    need = spec.workers * (spec.cpus_per_worker if spec.accelerator == "CPU" else 1)
    unit = "CPU" if spec.accelerator == "CPU" else "GPU"
    say(f"training {spec.steps} steps of {plan.tokens_per_step} tokens on {spec.workers} workers")
    if free.get(unit, 0) < need:
        say(f"waiting for {need} {unit}: the cluster has {free.get(unit, 0):g} free now")


def _cause(error: BaseException) -> str:
    """What went wrong in the first worker that failed, else in the run as a whole."""
    failures = getattr(error, "worker_failures", None) or {}
    return last_line(next(iter(failures.values()), error))


def _summarise(plan: Plan) -> None:
    lineage = json.loads((plan.export / LINEAGE).read_text())
    cost = f", ${lineage['usd']:.4f}" if "usd" in lineage else ""
    say(
        f"{lineage['steps']} steps, {lineage['tokens']} tokens in {lineage['wall_s']} s "
        f"({lineage['tokens_per_s']:.0f} tokens/s{cost}); loss {lineage['final_loss']:.3f}"
    )
    say(f"model in {plan.export}")
