"""What Ray Train starts on each worker of a run."""

from __future__ import annotations

from typing import Any

import torch
from ray import train
from ray.train.torch import get_device

from raytide.jobs.train.dataset import load_sequences, packed
from raytide.jobs.train.examples import load_examples
from raytide.jobs.train.export import export
from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Learner
from raytide.jobs.train.loop import Loop
from raytide.jobs.train.model import model_of
from raytide.jobs.train.objective import NextToken, Objective
from raytide.jobs.train.pairs import Pairs
from raytide.jobs.train.parallel import prepared
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.preference import DirectPreference
from raytide.jobs.train.reference import reference_of


def train_worker(config: dict[str, Plan]) -> str:
    """Trains from the latest checkpoint to the last step, then exports.

    Returns:
        Why the run ended before its last step, in a sentence; empty where it finished.
    """
    plan = config["plan"]
    torch.set_num_threads(plan.spec.cpus_per_worker)
    context = train.get_context()
    group = Group(
        rank=context.get_world_rank(),
        size=context.get_world_size(),
        device=get_device(),
        preempted=lambda: train.get_preemption_info() is not None,
    )
    learner = new_learner(plan, group)
    ended = Loop(plan, group, learner, objective_of(plan, group, learner.model)).run()
    if not ended:
        _export(learner, plan, group)
    return ended


def new_learner(plan: Plan, group: Group) -> Learner:
    """The model at the beginning of the run, ready to be trained by the group."""
    model = model_of(plan).to(group.device)
    return Learner(model, prepared(model, plan.spec, group.size), plan.spec)


def objective_of(plan: Plan, group: Group, model: Any) -> Objective:
    """What the run learns, from a model at its beginning."""
    if plan.data is not None:
        return NextToken(packed(load_sequences(plan.data)))
    examples, preferences = load_examples(plan.output), plan.spec.preferences
    if preferences is None:
        return NextToken(examples)
    pairs = Pairs(examples)
    return DirectPreference(
        samples=pairs,
        reference=reference_of(plan, group, model, pairs),
        beta=preferences.beta,
        label_smoothing=preferences.label_smoothing,
    )


def _export(learner: Learner, plan: Plan, group: Group) -> None:
    weights = learner.weights()
    if group.rank == 0:
        export(learner.model, weights, plan)
