"""What one worker does to its replica, without the cluster around it, on the CPU and where there is one on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from raytide.core.spec.train import Lora, TrainSpec
from raytide.jobs.train.batches import Batching
from raytide.jobs.train.dataset import Dataset, packed
from raytide.jobs.train.learner import Learner, Pass
from raytide.jobs.train.model import new_model, with_adapter
from raytide.jobs.train.objective import NextToken
from raytide.jobs.train.parallel import prepared
from raytide.jobs.train.schedule import learning_rate

SPEC = TrainSpec(task="train", data="data", output="run", steps=40, warmup_steps=5, learning_rate=5e-3, workers=1)
VOCABULARY, LENGTH = 128, 32
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_GPU)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three times out of four a token decides the next one, which is one of eight."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(VOCABULARY, size=(64, LENGTH), dtype=np.int32)
    for at in range(1, LENGTH):
        decided = rng.random(len(tokens)) < 0.75
        tokens[decided, at] = (tokens[decided, at - 1] + 1) % 8
    return packed(tokens)


def small_model() -> Any:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
    )
    return new_model(config, SPEC.seed)


def new_learner(device: str, **options: Any) -> Learner:
    spec = SPEC.model_copy(update=options)
    model = small_model().to(device)
    return Learner(model, prepared(model, spec, 1), spec)


def learn(learner: Learner, dataset: Dataset, step: int, micro_batches: int = 1) -> float:
    cut = Batching(num_sequences=len(dataset), seed=0, micro_batches=micro_batches, micro_batch=8 // micro_batches)
    passes = [
        Pass(NextToken(dataset.rows(micro.indices)), micro.number, micro.counts)
        for micro in cut.share(step, rank=0, workers=1)
    ]
    targets = dataset.num_targets_of(cut.batch(step))
    found = learner.gradient(passes, targets=targets, workers=1)
    learner.update(
        learning_rate(
            step,
            peak=SPEC.learning_rate,
            warmup_steps=SPEC.warmup_steps,
            steps=SPEC.steps,
            schedule=SPEC.schedule,
        )
    )
    return found.loss


def losses(learner: Learner, dataset: Dataset, steps: range, micro_batches: int = 1) -> list[float]:
    return [learn(learner, dataset, step, micro_batches) for step in steps]


def test_the_loss_falls_and_the_weights_stay_in_float32(device: str, dataset: Dataset) -> None:
    learner = new_learner(device)
    found = losses(learner, dataset, range(SPEC.steps))
    assert found[0] == pytest.approx(np.log(VOCABULARY), rel=0.05)
    assert np.mean(found[-5:]) < 0.8 * found[0]
    assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}


def test_a_learner_that_takes_on_a_saved_state_goes_on_as_the_saved_one_does(
    device: str, dataset: Dataset, tmp_path: Path
) -> None:
    saved, resumed = new_learner(device), new_learner(device)
    losses(saved, dataset, range(10))
    torch.save(saved.state(), tmp_path / "state.pt")
    resumed.restore(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    ahead = range(10, 15)
    assert losses(resumed, dataset, ahead) == losses(saved, dataset, ahead)


def test_a_saved_state_does_not_change_when_training_goes_on(dataset: Dataset) -> None:
    learner = new_learner("cpu")
    losses(learner, dataset, range(2))
    state = learner.state()
    before = {name: tensor.clone() for name, tensor in state["model"].items()}
    losses(learner, dataset, range(2, 4))
    assert all(torch.equal(before[name], tensor) for name, tensor in state["model"].items())


def test_several_small_passes_are_one_large_one(device: str, dataset: Dataset) -> None:
    at_once, in_four = new_learner(device), new_learner(device)
    steps = range(8)
    assert losses(in_four, dataset, steps, 4) == pytest.approx(losses(at_once, dataset, steps), rel=1e-4)


def test_a_pass_that_only_keeps_company_changes_nothing(dataset: Dataset) -> None:
    alone, accompanied = new_learner("cpu"), new_learner("cpu")
    rows = dataset.rows(np.arange(4))
    own = Pass(NextToken(rows), 0, True)
    company = Pass(NextToken(dataset.rows(np.arange(8, 12))), 1, False)
    targets = int(rows.targets.sum())
    assert alone.gradient([own], targets=targets, workers=1) == accompanied.gradient(
        [own, company], targets=targets, workers=1
    )


@pytest.mark.parametrize("option", ["activation_checkpointing", "bf16"])
def test_an_option_changes_how_a_step_is_computed_and_not_what_it_learns(dataset: Dataset, option: str) -> None:
    options = {"precision": "bf16"} if option == "bf16" else {option: True}
    plain, optional = new_learner("cpu"), new_learner("cpu", **options)
    steps = range(5)
    assert losses(optional, dataset, steps) == pytest.approx(losses(plain, dataset, steps), rel=1e-2)


def test_a_gradient_that_is_not_finite_is_reported_and_can_be_discarded(device: str, dataset: Dataset) -> None:
    learner = new_learner(device)
    before = {name: tensor.clone() for name, tensor in learner.model.state_dict().items()}
    with torch.no_grad():
        learner.model.lm_head.weight[0, 0] = float("inf")
    rows = dataset.rows(np.arange(8))
    found = learner.gradient([Pass(NextToken(rows), 0, True)], targets=int(rows.targets.sum()), workers=1)
    assert not np.isfinite(found.norm)
    learner.discard()
    learner.model.lm_head.weight.data[0, 0] = before["lm_head.weight"][0, 0]
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.model.state_dict().items())


def test_an_adapter_is_all_that_changes_and_all_that_is_saved(dataset: Dataset) -> None:
    spec = SPEC.model_copy(update={"lora": Lora(rank=4)})
    base = small_model()
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    model = with_adapter(base, Lora(rank=4), 0)
    learner = Learner(model, prepared(model, spec, 1), spec)
    found = losses(learner, dataset, range(SPEC.steps))
    assert found[-1] < found[0]
    kept = {name.replace(".base_layer", ""): tensor for name, tensor in base.state_dict().items()}
    assert all(torch.equal(before[name], kept[name]) for name in before)
    assert all("lora_" in name for name in learner.state()["model"])


def test_a_step_is_compiled_where_the_spec_says_so_and_learns_the_same(dataset: Dataset) -> None:
    plain, compiled = new_learner("cpu"), new_learner("cpu", compile=True)
    assert plain.model._compiled_call_impl is None
    assert compiled.model._compiled_call_impl is not None
    # What the option turns on is compiled at the first call, which takes a minute; here the call goes through as it is.
    with torch.compiler.set_stance("force_eager"):
        assert losses(compiled, dataset, range(3)) == losses(plain, dataset, range(3))
