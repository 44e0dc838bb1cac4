"""What one worker does to its replica, without the cluster around it, on the CPU and where there is one on a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from raytide.core.spec.job import TrainSpec
from raytide.jobs.train.batches import batch_indices
from raytide.jobs.train.dataset import Sequences
from raytide.jobs.train.learner import Learner
from raytide.jobs.train.model import new_model
from raytide.jobs.train.schedule import learning_rate

SPEC = TrainSpec(task="train", data="data", output="run", steps=40, warmup_steps=5, learning_rate=5e-3)
VOCABULARY, LENGTH = 128, 32
NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NO_GPU)])
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    """Three times out of four a token decides the next one, which is one of eight."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(VOCABULARY, size=(64, LENGTH), dtype=np.int32)
    for at in range(1, LENGTH):
        decided = rng.random(len(tokens)) < 0.75
        tokens[decided, at] = (tokens[decided, at - 1] + 1) % 8
    return tokens


def new_learner(device: str) -> Learner:
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
    model = new_model(config, SPEC.seed).to(device)
    return Learner(model, model, SPEC)


def losses(learner: Learner, sequences: Sequences, steps: range) -> list[float]:
    def learn(step: int) -> float:
        chosen = batch_indices(len(sequences), seed=0, step=step, rank=0, workers=1, batch=SPEC.batch_size_per_worker)
        rate = learning_rate(step, peak=SPEC.learning_rate, warmup_steps=SPEC.warmup_steps, steps=SPEC.steps)
        return float(learner.learn(sequences[chosen], rate).loss)

    return [learn(step) for step in steps]


def test_the_loss_falls_and_the_weights_stay_in_float32(device: str, sequences: Sequences) -> None:
    learner = new_learner(device)
    found = losses(learner, sequences, range(SPEC.steps))
    assert found[0] == pytest.approx(np.log(VOCABULARY), rel=0.05)
    assert np.mean(found[-5:]) < 0.8 * found[0]
    assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}


def test_a_learner_that_takes_on_a_saved_state_goes_on_as_the_saved_one_does(
    device: str, sequences: Sequences, tmp_path: Path
) -> None:
    saved, resumed = new_learner(device), new_learner(device)
    losses(saved, sequences, range(10))
    torch.save(saved.state(), tmp_path / "state.pt")
    resumed.restore(torch.load(tmp_path / "state.pt", map_location="cpu", weights_only=True))
    ahead = range(10, 15)
    assert losses(resumed, sequences, ahead) == pytest.approx(losses(saved, sequences, ahead), rel=1e-3)


def test_a_gradient_that_is_not_finite_is_reported(device: str, sequences: Sequences) -> None:
    learner = new_learner(device)
    torch.nn.init.constant_(learner.model.lm_head.weight, float("inf"))
    assert not np.isfinite(learner.learn(sequences[:8], 1e-3).gradient_norm)
