"""Direct preference optimisation on one worker and on several, without the cluster around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_outputs import CausalLMOutput

from raytide.core.spec.train import Lora, Preferences, TrainSpec
from raytide.jobs.train.batches import Batching
from raytide.jobs.train.encoding import padded
from raytide.jobs.train.events import read_events
from raytide.jobs.train.examples import write_examples
from raytide.jobs.train.group import Group
from raytide.jobs.train.learner import Gradient, Learner, Pass
from raytide.jobs.train.loop import Loop
from raytide.jobs.train.metrics import read_metrics
from raytide.jobs.train.model import new_model, with_adapter
from raytide.jobs.train.pairs import Pairs
from raytide.jobs.train.plan import Plan
from raytide.jobs.train.preference import DirectPreference, LogProbabilities, answered
from raytide.jobs.train.reference import FILE, reference_of
from raytide.jobs.train.worker import objective_of

VOCABULARY, STEPS = 32, 40
CPU = torch.device("cpu")
ALONE = Group(rank=0, size=1, device=CPU, preempted=lambda: False)
SPEC = TrainSpec(
    task="train", preferences=Preferences(file="f"), start="s", output="o", workers=1, batch_size_per_worker=4,
    steps=STEPS, warmup_steps=2, learning_rate=5e-3, checkpoint_every=10, gradient_clip=1e9, weight_decay=0.0,
)  # fmt: skip


def indifferent(input_ids: torch.Tensor, **_: Any) -> CausalLMOutput:
    """A model to which two tokens are equally likely, whatever was said."""
    return CausalLMOutput(logits=torch.zeros(*input_ids.shape, 2))


class One(Group):
    """A worker of several, whose part is not added to those of the others."""

    def sum(self, values: Sequence[float]) -> list[float]:
        return list(values)

    def from_first(self, value: Any) -> Any:
        return value


def pairs_of(*answers: tuple[list[int], list[int]]) -> Pairs:
    """Pairs of answers to the prompt 1 2."""
    prompt = [(1, False), (2, False)]
    return Pairs(padded([[*prompt, *((token, True) for token in answer)] for pair in answers for answer in pair]))


def random_pairs(count: int = 24) -> Pairs:
    """Answers of one to six tokens."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 7, size=(count, 2))
    return pairs_of(*(tuple(rng.integers(VOCABULARY, size=length).tolist() for length in pair) for pair in lengths))


def even_before_odd(count: int = 96) -> Pairs:
    """Answers of three even tokens that were preferred to three odd ones."""
    tokens = 2 * np.random.default_rng(0).integers(VOCABULARY // 2, size=(count, 2, 3)) + [[0], [1]]
    return pairs_of(*((chosen.tolist(), rejected.tolist()) for chosen, rejected in tokens))


def small_model(lora: Lora | None = None) -> Any:
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        intermediate_size=32, max_position_embeddings=16, tie_word_embeddings=True, initializer_range=0.2,
    )  # fmt: skip
    model = new_model(config, 0)
    return with_adapter(model, lora, 0) if lora else model


def plan_in(run: Path, pairs: Pairs, **options: Any) -> Plan:
    """A run whose pairs lie where a job puts them."""
    write_examples(pairs.answers, run)
    return Plan(spec=SPEC.model_copy(update=options), output=run, lineage={}, start=run)


def measured(objective: DirectPreference, model: Any) -> dict[str, float]:
    loss, beside = objective.loss(model, CPU, len(objective.samples))
    return {"loss": float(loss.detach()), **{name: float(value) for name, value in beside.items()}}


def one_by_one(model: Any, pairs: Pairs) -> LogProbabilities:
    """The log-probabilities of the answers, token by token, each row on its own and without padding."""
    rows = pairs.answers
    found = []
    for tokens, length, targets in zip(rows.tokens, rows.lengths, rows.targets, strict=True):
        said = torch.from_numpy(tokens[:length]).long()
        with torch.no_grad():
            likely = torch.log_softmax(model(input_ids=said[None]).logits[0].double(), dim=-1)
        found.append(sum(float(likely[at - 1, said[at]]) for at in range(length - targets, length)))
    return np.array(found).reshape(-1, 2)


def test_the_loss_is_the_one_computed_by_hand() -> None:
    # Each token of the answers has probability 1/2: ln 1/2 for the chosen one, three times that for the other. The
    # reference gave both twice ln 1/2, so the rewards are 1/2 ln 2 and -1/2 ln 2, and sigmoid(ln 2) is 2/3.
    reference = np.full((1, 2), -2 * math.log(2))
    asked = DirectPreference(samples=pairs_of(([0], [0, 0, 0])), reference=reference, beta=0.5)
    assert measured(asked, indifferent) == {
        "loss": pytest.approx(math.log(3 / 2)),
        "reward_margin": pytest.approx(math.log(2)),
        "reward_accuracy": 1.0,
        "chosen_reward": pytest.approx(math.log(2) / 2),
    }
    smoothed = replace(asked, label_smoothing=0.1)
    assert measured(smoothed, indifferent)["loss"] == pytest.approx(0.9 * math.log(3 / 2) + 0.1 * math.log(3))


def test_the_loss_is_what_the_paper_says_of_each_pair_alone() -> None:
    pairs, model = random_pairs(), small_model()
    reference = np.random.default_rng(1).normal(-20, 3, size=(len(pairs), 2))
    rewards = 0.3 * (one_by_one(model, pairs) - reference)
    margins = rewards[:, 0] - rewards[:, 1]
    found = measured(DirectPreference(samples=pairs, reference=reference, beta=0.3), model)
    assert found["loss"] == pytest.approx(np.mean(-np.log(1 / (1 + np.exp(-margins)))), rel=1e-6)
    assert found["reward_margin"] == pytest.approx(margins.mean(), rel=1e-5)
    assert found["reward_accuracy"] == np.mean(margins > 0)


ANSWERS = st.lists(st.integers(0, 1), min_size=1, max_size=4)
REWARDS = st.tuples(*[st.floats(-50, 0)] * 2)


@given(st.lists(st.tuples(ANSWERS, ANSWERS, REWARDS), min_size=1, max_size=6), st.randoms())
def test_the_order_of_pairs_does_not_matter_and_swapped_answers_mirror_the_margin(
    drawn: list[Any], random: Any
) -> None:
    reference = np.array([rewards for _, _, rewards in drawn])
    pairs = pairs_of(*((chosen, rejected) for chosen, rejected, _ in drawn))
    asked = DirectPreference(samples=pairs, reference=reference, beta=0.2)
    found = measured(asked, indifferent)

    order = np.array(random.sample(range(len(drawn)), len(drawn)))
    assert measured(asked.on(order), indifferent) == {name: pytest.approx(value) for name, value in found.items()}

    swapped = pairs_of(*((rejected, chosen) for chosen, rejected, _ in drawn))
    mirrored = measured(replace(asked, samples=swapped, reference=reference[:, ::-1].copy()), indifferent)
    assert mirrored["reward_margin"] == pytest.approx(-found["reward_margin"])
    assert mirrored["reward_accuracy"] == pytest.approx(1 - found["reward_accuracy"])
    # -log sigmoid(-m) is m more than -log sigmoid(m).
    assert mirrored["loss"] - found["loss"] == pytest.approx(found["reward_margin"])


@pytest.mark.parametrize("lora", [None, Lora(rank=2, dropout=0.5)])
def test_the_reference_is_what_the_model_without_any_training_says(tmp_path: Path, lora: Lora | None) -> None:
    pairs = random_pairs(10)
    plan, model = plan_in(tmp_path, pairs), small_model(lora).train()
    found = reference_of(plan, ALONE, model, pairs)
    assert found == pytest.approx(one_by_one(small_model(), pairs), rel=1e-6)
    assert model.training


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_several_workers_measure_the_reference_to_the_bit_as_one_does(tmp_path: Path, workers: int) -> None:
    pairs, model = random_pairs(10), small_model()
    shares = []
    for rank in range(workers):
        run = tmp_path / str(rank)
        run.mkdir()
        group = One(rank=rank, size=workers, device=CPU, preempted=lambda: False)
        shares.append(reference_of(plan_in(run, pairs), group, model, pairs))
    assert (np.sum(shares, axis=0) == reference_of(plan_in(tmp_path, pairs), ALONE, model, pairs)).all()


@pytest.mark.parametrize("workers", [2, 3])
def test_the_gradient_of_several_workers_is_that_of_one(tmp_path: Path, workers: int) -> None:
    plan = plan_in(tmp_path, random_pairs())
    cut = Batching(num_sequences=24, seed=0, micro_batches=4, micro_batch=3)

    def share(rank: int, size: int) -> tuple[Gradient, list[torch.Tensor]]:
        model = small_model()
        asked = objective_of(plan, ALONE, model)
        learner = Learner(model, model, plan.spec)
        passes = [Pass(asked.on(each.indices), 0, each.counts) for each in cut.share(0, rank=rank, workers=size)]
        found = learner.gradient(passes, targets=12, workers=size)
        return found, [parameter.grad / size for parameter in model.parameters()]

    found, whole = share(0, 1)
    shares = [share(rank, workers) for rank in range(workers)]
    for at, gradient in enumerate(whole):
        assert torch.allclose(sum(part[at] for _, part in shares), gradient, rtol=1e-4, atol=1e-7)
    assert sum(part.loss for part, _ in shares) == pytest.approx(found.loss)
    for name, value in found.beside.items():
        assert sum(part.beside[name] for part, _ in shares) == pytest.approx(value, abs=1e-6)


class Killed(Exception):
    """What a test does to a worker in the place of a signal."""


class Mortal(Learner):
    """A learner that may be killed at one of its calls, counted from 0."""

    killed_at: int | None = None
    _calls = -1

    def gradient(self, passes: Any, *, targets: int, workers: int) -> Gradient:
        self._calls += 1
        if self._calls == self.killed_at:
            raise Killed
        return super().gradient(passes, targets=targets, workers=workers)


def trained(plan: Plan, killed_at: int | None = None) -> Any:
    """The model at the end."""
    model = small_model(plan.spec.lora).train()
    learner = Mortal(model, model, plan.spec)
    learner.killed_at = killed_at
    loop = Loop(plan, ALONE, learner, objective_of(plan, ALONE, model))
    try:
        assert loop.run() == ""
    finally:
        loop._checkpoints.wait()  # its process would have ended; its thread would write into the next attempt
    return model


def told(plan: Plan) -> list[dict[str, Any]]:
    """The run's metrics, without what a clock measured."""
    timed = {"elapsed_s", "tokens_per_s", "worker_s", "memory_bytes"}
    return [{key: value for key, value in entry.items() if key not in timed} for entry in read_metrics(plan.output)]


def final_state(plan: Plan) -> list[bytes]:
    saved = torch.load(plan.checkpoints / f"step-{STEPS:08d}" / "state.pt", weights_only=True)
    return [tensor.numpy().tobytes() for tensor in saved["learner"]["model"].values()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    plan = plan_in(tmp_path_factory.mktemp("uninterrupted"), random_pairs())
    trained(plan)
    return plan


@pytest.mark.parametrize("lora", [None, Lora(rank=4)])
def test_a_run_learns_which_answers_were_chosen(tmp_path: Path, lora: Lora | None) -> None:
    pairs = even_before_odd()
    plan = plan_in(tmp_path, pairs, lora=lora, learning_rate=5e-2 if lora else 1e-2, batch_size_per_worker=8)
    before, after = one_by_one(small_model(lora), pairs), one_by_one(trained(plan), pairs)
    assert 0.3 < np.mean(before[:, 0] > before[:, 1]) < 0.7
    assert np.mean(after[:, 0] > after[:, 1]) > 0.9  # what the last one or two do differs from processor to processor
    gained = ((after - before) @ [1, -1]).mean()
    assert gained > 3.0
    last = read_metrics(tmp_path)[-1]
    assert last["loss"] < math.log(2)
    assert last["reward_accuracy"] > 0.8
    assert last["reward_margin"] == pytest.approx(0.1 * gained, rel=0.3)  # of the last batch, before its update


@pytest.mark.parametrize("kills", [(0,), (12, 3), (39,)])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path: Path, uninterrupted: Plan, kills: tuple[int, ...]
) -> None:
    plan = plan_in(tmp_path, random_pairs())
    for killed_at in kills:
        with pytest.raises(Killed):
            trained(plan, killed_at)
    trained(plan)
    assert told(plan) == told(uninterrupted)
    assert final_state(plan) == final_state(uninterrupted)


def test_a_reference_that_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    pairs = random_pairs(4)
    plan = plan_in(tmp_path, pairs)
    first = reference_of(plan, ALONE, small_model(), pairs)
    written = (tmp_path / FILE).read_bytes()
    moved = small_model()
    with torch.no_grad():
        moved.model.embed_tokens.weight += 1
    assert (reference_of(plan, ALONE, moved, pairs) == first).all()
    assert (tmp_path / FILE).read_bytes() == written
    assert [event["says"] for event in read_events(tmp_path)] == [
        "the reference of 4 pairs is measured with the model as it begins"
    ]
    assert answered(moved, pairs, CPU).detach().numpy() != pytest.approx(first)
