from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytide.core import catalog
from raytide.core.errors import SpecError

HEAD = "apiVersion: raytide/v1\nkind: Catalog\nmetadata: {name: ours}\nspec:\n"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "ours.yaml"


def test_a_users_number_replaces_one_and_leaves_the_others(ours: Path) -> None:
    ours.write_text(HEAD + "  accelerators:\n    - {name: H100, prices: {on-demand: $2.10/h}, tflops: {bf16: 800}}\n")
    facts, before = catalog.with_overrides(ours), catalog.load()
    price = facts.price("H100")
    assert isinstance(price, catalog.Price)
    assert (price.usd_per_hour, price.source) == (2.1, str(ours))
    assert facts.price("H100", "spot") == before.price("H100", "spot")
    assert facts.accelerator("H100").flops_per_s["bf16"] == 800e12
    assert facts.accelerator("H100").flops_per_s["fp8"] == before.accelerator("H100").flops_per_s["fp8"]
    assert facts.accelerator("H100").memory_bytes == before.accelerator("H100").memory_bytes
    assert before.price("H100") != price


def test_a_new_accelerator_model_and_column_are_added(ours: Path, tmp_path: Path) -> None:
    config = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))
    ours.write_text(
        HEAD
        + "  accelerators:\n    - {name: X1, memory: 96GB, memory_bandwidth: 4TB, tflops: {bf16: 500}}\n"
        + "  models:\n    - {name: tiny, config: config.json}\n"
        + "  columns:\n    - {model: tiny, accelerator: X1, precision: bf16, base: 5ms, per_prefill_token: 20us}\n"
    )
    facts = catalog.with_overrides(ours)
    column = facts.lookup("tiny", "X1", "bf16", 1)
    assert isinstance(column, catalog.EngineColumn)
    assert column.base_s == 0.005
    assert column.per_prefill_token_s == pytest.approx(20e-6)
    assert facts.accelerator("x1").memory_bandwidth_bytes_per_s == 4e12


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("  accelerators:\n    - {name: H100, prices: {spto: $1/h}}\n", ":6:29: .*unknown key; did you mean 'spot'"),
        (
            "  accelerators:\n    - {name: H100, prices: {spot: 1}}\n",
            "prices.spot: wrong value; found 1",
        ),
        ("  accelerators:\n    - {name: H100, tflops: {bf16: -1}}\n", "tflops.bf16: wrong value; found -1"),
        ("  accelerators:\n    - {name: H900}\n", ":6:14: .*not known; found H900, expected memory, memory_bandwidth"),
        ("  columns:\n    - {model: Qwen3-32B, accelerator: H100, precision: bf61}\n", "did you mean 'bf16'"),
        ("  columns:\n    - {model: Qwen3-32B, base: 0s}\n", "base: wrong value; found '0s', expected a value above"),
        ("  accelerators:\n    - {name: H100, memory: 0GB}\n", "memory: wrong value; found '0GB'"),
    ],
)
def test_every_mistake_has_its_place(ours: Path, spec: str, says: str) -> None:
    ours.write_text(HEAD + spec)
    with pytest.raises(SpecError, match=says):
        catalog.with_overrides(ours)


def test_a_column_about_an_unknown_model_is_named(ours: Path) -> None:
    column = "{model: Qwen3-33B, accelerator: H100, precision: bf16, base: 5ms, per_prefill_token: 20us}"
    ours.write_text(HEAD + f"  columns:\n    - {column}\n")
    with pytest.raises(catalog.CatalogError, match="did you mean 'Qwen3-32B'"):
        catalog.with_overrides(ours)
