from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core import catalog
from raytide.core.spec.cluster import Accelerator as AcceleratorName

FACTS = catalog.load()
SHAPES = sorted(FACTS.models)


def test_every_accelerator_that_a_cluster_may_name_is_known() -> None:
    assert set(get_args(AcceleratorName)) - {"CPU"} <= set(FACTS.accelerators)


@pytest.mark.parametrize("name", sorted(FACTS.accelerators))
def test_every_accelerator_says_where_its_numbers_are_from(name: str) -> None:
    gpu = FACTS.accelerator(name)
    assert "datasheet" in gpu.source or "brief" in gpu.source
    assert gpu.memory_bandwidth_bytes_per_s < min(gpu.flops_per_s.values())
    assert set(gpu.flops_per_s) <= set(catalog.PRECISIONS)


@pytest.mark.parametrize("price", FACTS.prices.values(), ids=lambda price: f"{price.accelerator}-{price.market}")
def test_every_price_has_a_source_and_a_day_or_the_snapshot_it_is_from(price: catalog.Price) -> None:
    assert price.accelerator in FACTS.accelerators
    assert price.source
    assert price.as_of > date(2025, 1, 1) if price.as_of else "SkyPilot catalog v8" in price.source


def test_spot_and_reserved_are_cheaper_than_on_demand() -> None:
    for (accelerator, market), price in FACTS.prices.items():
        full = FACTS.price(accelerator)
        if market != "on-demand" and isinstance(full, catalog.Price):
            assert price.usd_per_hour < full.usd_per_hour


def test_a_price_that_nobody_checked_is_missing_and_not_zero() -> None:
    assert isinstance(FACTS.price("GB300"), catalog.Missing)


@pytest.mark.parametrize(
    ("name", "published_billions"),
    [
        ("Llama-2-7B", 6.74),
        ("Llama-3.1-8B", 8.03),
        ("Llama-3.1-70B", 70.6),
        ("Llama-3.1-405B", 405.9),
        ("Mistral-7B", 7.25),
        ("Mixtral-8x7B", 46.7),
        ("Mixtral-8x22B", 140.6),
        ("Qwen2.5-72B", 72.7),
        ("Qwen3-0.6B", 0.6),
        ("Qwen3-14B", 14.8),
        ("Qwen3-32B", 32.8),
        ("Qwen3-235B-A22B", 235),
        ("gpt-oss-20b", 20.9),
        ("gpt-oss-120b", 116.8),
        ("DeepSeek-V3", 671),
        ("Kimi-K2.5", 1040),
    ],
)
def test_parameters_counted_from_the_shape_are_the_published_ones(name: str, published_billions: float) -> None:
    assert FACTS.model(name).parameters / 1e9 == pytest.approx(published_billions, rel=0.02)


@pytest.mark.parametrize(
    ("name", "published_billions"),
    [("gpt-oss-120b", 5.1), ("gpt-oss-20b", 3.6), ("DeepSeek-V3", 37), ("Mixtral-8x7B", 12.9), ("Qwen3-235B-A22B", 22)],
)
def test_active_parameters_are_the_published_ones(name: str, published_billions: float) -> None:
    assert FACTS.model(name).active_parameters / 1e9 == pytest.approx(published_billions, rel=0.02)


def test_the_cache_of_a_token_is_known() -> None:
    assert FACTS.model("Llama-3.1-70B").kv_bytes_per_token() == 2 * 8 * 128 * 80 * 2
    assert FACTS.model("DeepSeek-V3").kv_bytes_per_token() == (512 + 64) * 61 * 2
    # Every second layer of gpt-oss sees only a window of 128 tokens.
    assert FACTS.model("gpt-oss-120b").kv_bytes_per_token() == 2 * 8 * 64 * 18 * 2
    assert FACTS.model("Qwen3-32B").kv_bytes_per_token("fp8") == FACTS.model("Qwen3-32B").kv_bytes_per_token() / 2


@pytest.mark.parametrize(
    ("known_as", "name"),
    [
        ("Qwen/Qwen3-32B-FP8", "Qwen3-32B"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B"),
        ("nvidia/DeepSeek-R1-NVFP4", "DeepSeek-V3"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "Mistral-7B"),
        ("meta-llama/Llama-3.3-70B-Instruct", "Llama-3.1-70B"),
    ],
)
def test_a_model_is_found_under_the_names_of_its_fine_tunings(known_as: str, name: str) -> None:
    assert FACTS.model(known_as).name == name


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(catalog.CatalogError, match=r"no model 'Qwen3-33B'; did you mean 'Qwen3-32B'\?"):
        FACTS.model("Qwen3-33B")
    with pytest.raises(catalog.CatalogError, match="no accelerator 'TPU'; known are T4"):
        FACTS.accelerator("TPU")


def _config(**more: object) -> str:
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return json.dumps({**shape, "intermediate_size": 128, "vocab_size": 100, **more})


def test_a_config_of_hugging_face_is_read(tmp_path: Path) -> None:
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config = {**shape, "intermediate_size": 128, "vocab_size": 100, "tie_word_embeddings": True}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = catalog.read_shape(tmp_path)
    attention, mlp = 2 * 64 * 64 + 2 * 64 * 32, 3 * 64 * 128
    assert model.parameters == 100 * 64 + 2 * (attention + mlp)
    assert model.active_parameters == model.parameters
    assert model.kv_bytes_per_token() == 2 * 2 * 16 * 2 * 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "num_hidden_layers is missing; a positive whole number is needed"),
        ('{"num_hidden_layers": -2}', "num_hidden_layers is -2"),
        ("[1]", "num_hidden_layers is missing"),
        ("{", "cannot be read as JSON"),
        ('{"text_config": null}', "num_hidden_layers is missing"),
        ('{"text_config": 5}', "num_hidden_layers is missing"),
        (_config(num_attention_heads=65), "hidden_size is 64 and num_attention_heads 65"),
        (_config(sliding_window=4, num_sliding_layers="x"), "num_sliding_layers is 'x'"),
        (_config(sliding_window=4, layer_types=["sliding_attention"] * 2), "no layer sees more than a window"),
        (_config(parameters="many"), "parameters is 'many'"),
        (_config(parameters=-5), "parameters is -5"),
    ],
)
def test_a_config_that_says_too_little_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(catalog.CatalogError, match=says):
        catalog.read_shape(tmp_path)


def test_a_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(catalog.CatalogError, match="no such file"):
        catalog.read_shape(tmp_path / "config.json")


@given(st.floats(1e8, 2e12))
def test_an_assumed_shape_has_about_the_parameters_that_were_asked_for(parameters: float) -> None:
    shape = catalog.assumed_shape(parameters)
    assert 12 * shape.layers * shape.hidden**2 == pytest.approx(parameters, rel=0.5)
    assert shape.parameters == parameters
