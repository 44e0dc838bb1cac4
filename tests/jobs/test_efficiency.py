import pytest
from transformers import LlamaConfig

from raytide.core.spec.train import Lora, TrainSpec
from raytide.jobs.train.efficiency import flops_per_token, peak_flops_per_s
from raytide.jobs.train.model import new_model, with_adapter

LAYERS, HIDDEN, MIDDLE, VOCABULARY, LENGTH = 2, 32, 64, 128, 16
BLOCK = LAYERS * (4 * HIDDEN * HIDDEN + 3 * HIDDEN * MIDDLE)
ATTENTION = 12 * LAYERS * HIDDEN * LENGTH


def config(tied: bool) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=4, intermediate_size=MIDDLE, tie_word_embeddings=tied,
    )  # fmt: skip


@pytest.mark.parametrize("tied", [True, False])
def test_six_flops_a_weight_and_attention_where_the_output_counts_once(tied: bool) -> None:
    model = new_model(config(tied), 0)
    assert flops_per_token(model, LENGTH) == 6 * (BLOCK + VOCABULARY * HIDDEN) + ATTENTION


def test_frozen_weights_take_no_gradient_of_their_own() -> None:
    model = with_adapter(new_model(config(False), 0), Lora(rank=2), 0)
    adapter = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert flops_per_token(model, LENGTH) == 4 * (BLOCK + VOCABULARY * HIDDEN) + 6 * adapter + ATTENTION


def test_the_peak_is_that_of_the_precision_and_unknown_on_a_cpu() -> None:
    on_h100 = TrainSpec(task="train", data="d", output="o", steps=1, accelerator="H100")
    assert peak_flops_per_s(on_h100) == pytest.approx(989e12, rel=0.01)
    assert peak_flops_per_s(on_h100.model_copy(update={"accelerator": "CPU"})) is None
