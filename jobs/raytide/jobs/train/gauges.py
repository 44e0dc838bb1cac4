"""A run's latest metrics as gauges of Ray, which its dashboard shows and Prometheus reads."""

from __future__ import annotations

from typing import Final

from ray.util.metrics import Gauge

from raytide.jobs.train.metrics import StepMetrics

_GAUGES: Final = {
    "loss": "Loss of the batch, in nats per token or per pair of answers",
    "learning_rate": "Learning rate of the step",
    "gradient_norm": "Norm of the gradient before clipping",
    "tokens_per_s": "Tokens trained on per second, over all workers",
    "step": "Steps that are done",
    "tokens": "Tokens that the run has trained on",
    "workers": "Workers that train now",
    "worker_s": "Seconds of workers that the run has used",
    "memory_bytes": "Most memory that the first worker has held",
    "goodput": "Share of the time since the run was first submitted that made steps which are kept",
    "mfu": "Model FLOP/s as a fraction of the accelerators' peak",
    "reward_margin": "Reward of the chosen answers above that of the rejected ones",
    "reward_accuracy": "Share of pairs whose chosen answer has more reward",
    "chosen_reward": "Reward of the chosen answers",
}


class Gauges:
    """One gauge a metric, labelled with the run's name."""

    def __init__(self, run: str) -> None:
        self._gauges = {name: Gauge(f"raytide_train_{name}", says, ("run",)) for name, says in _GAUGES.items()}
        self._tags = {"run": run}

    def show(self, entry: StepMetrics) -> None:
        """Sets the gauges to an entry."""
        for name, gauge in self._gauges.items():
            value = entry.get(name)
            if isinstance(value, (int, float)):
                gauge.set(value, self._tags)
