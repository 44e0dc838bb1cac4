"""A plan as Ray Train runs it."""

from __future__ import annotations

from typing import Any

from raytide.jobs.train.plan import Plan


def trainer_of(plan: Plan) -> Any:
    """The TorchTrainer of a run; elastic where the spec lets it start with fewer workers."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from raytide.jobs.train.worker import train_worker

    spec, on_cpu = plan.spec, plan.spec.accelerator == "CPU"
    elastic = spec.min_workers is not None and spec.min_workers < spec.workers
    return TorchTrainer(
        train_worker,
        train_loop_config={"plan": plan},
        torch_config=TorchConfig(backend="gloo" if on_cpu else "nccl"),
        scaling_config=ScalingConfig(
            num_workers=(spec.min_workers, spec.workers) if elastic else spec.workers,
            elastic_resize_monitor_interval_s=spec.grow_every,
            use_gpu=not on_cpu,
            resources_per_worker={"CPU": spec.cpus_per_worker} | ({} if on_cpu else {"GPU": 1}),
            accelerator_type=None if on_cpu else spec.accelerator,
        ),
        run_config=RunConfig(
            name="ray",
            storage_path=str(plan.output),
            failure_config=FailureConfig(max_failures=spec.max_failures),
        ),
    )
