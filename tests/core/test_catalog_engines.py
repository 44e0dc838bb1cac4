from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core import catalog

FACTS = catalog.load()
models = st.sampled_from([FACTS.models[name] for name in sorted(FACTS.models)])
hopper_and_later = st.sampled_from([FACTS.accelerators[name] for name in ("H100", "H200", "B200", "GB300", "MI300X")])
sizes = st.sampled_from([1, 2, 4, 8])


def test_a_measured_column_is_in_seconds() -> None:
    column = FACTS.lookup("Qwen/Qwen3-32B", "h100", "fp16", 2)
    assert isinstance(column, catalog.EngineColumn)
    assert column.base_s == pytest.approx(13.92e-3)
    assert column.per_sequence_s == pytest.approx(55.8e-6)
    assert column.per_root_sequence_s == pytest.approx(17e-6)
    assert column.per_kv_token_s == pytest.approx(54.2e-9)
    assert column.per_prefill_token_s == pytest.approx(49e-6)
    assert column.loo_error == pytest.approx(0.025)
    assert "silicon_sample.csv" in column.source


def test_every_measured_column_is_about_known_things_and_there_once() -> None:
    keys = [(column.model, column.accelerator, column.precision, column.tensor_parallel) for column in FACTS.columns]
    assert len(keys) == len(set(keys)) == 42
    for model, accelerator, precision, _ in keys:
        assert model in FACTS.models
        assert accelerator in FACTS.accelerators
        assert precision in catalog.PRECISIONS


def test_what_nobody_measured_is_missing_and_the_roofline_stands_in() -> None:
    model, gpu = FACTS.model("Qwen3-14B"), FACTS.accelerator("L40S")
    assert isinstance(FACTS.lookup("Qwen3-14B", "L40S", "bf16", 2), catalog.Missing)
    assert not FACTS.column(model, gpu, "bf16", 2).is_measured
    assert FACTS.column(FACTS.model("Qwen3-32B"), FACTS.accelerator("H100"), "bf16", 2).is_measured


def test_a_measured_engine_and_its_roofline_are_near_each_other() -> None:
    model, gpu = FACTS.model("Qwen3-32B"), FACTS.accelerator("H100")
    measured, prior = FACTS.column(model, gpu, "bf16", 2), catalog.roofline(model, gpu, 2, "bf16")
    assert prior.base_s == pytest.approx(measured.base_s, rel=0.2)
    assert prior.per_prefill_token_s == pytest.approx(measured.per_prefill_token_s, rel=0.2)
    assert prior.per_kv_token_s == pytest.approx(measured.per_kv_token_s, rel=0.3)


@given(models, hopper_and_later, sizes, st.floats(1, 512), st.floats(0, 1e6), st.floats(0, 8192))
def test_a_roofline_never_takes_less_for_more_work(
    model: catalog.ModelShape, gpu: catalog.Accelerator, size: int, batch: float, kv: float, prefill: float
) -> None:
    column = catalog.roofline(model, gpu, size, "bf16")
    least = column.iteration_s(batch, kv, prefill)
    assert 0 < least <= column.iteration_s(batch + 1, kv + 100, prefill + 10)


@given(models, hopper_and_later, sizes)
def test_smaller_weights_are_read_sooner(model: catalog.ModelShape, gpu: catalog.Accelerator, size: int) -> None:
    bf16, fp8 = (catalog.roofline(model, gpu, size, precision) for precision in ("bf16", "fp8"))
    assert fp8.base_s < bf16.base_s
    assert fp8.per_root_sequence_s <= bf16.per_root_sequence_s


def test_qwen3_32b_on_two_h100_holds_270_000_tokens() -> None:
    memory = catalog.replica_memory(FACTS.model("Qwen3-32B"), FACTS.accelerator("H100"), 2, "bf16")
    assert memory.kv_capacity_tokens == pytest.approx(270_000, rel=0.01)


def test_a_latent_cache_gains_no_tokens_by_being_copied() -> None:
    model, gpu = FACTS.model("DeepSeek-V3"), FACTS.accelerator("B200")
    sixteen, thirtytwo = (catalog.replica_memory(model, gpu, size, "fp8") for size in (16, 32))
    assert thirtytwo.kv_bytes_per_token == 2 * sixteen.kv_bytes_per_token


def test_a_model_that_does_not_fit_is_told_where_it_does() -> None:
    with pytest.raises(catalog.CatalogError, match=r"take 146.4 GB.* 72.0 GB; the nearest tensor_parallel .* is 4"):
        catalog.require_fit(FACTS.model("Llama-3.1-70B"), FACTS.accelerator("H100"), 1, "bf16")
    with pytest.raises(catalog.CatalogError, match="no tensor_parallel up to 64 fits it"):
        catalog.require_fit(FACTS.model("Kimi-K2.5"), FACTS.accelerator("T4"), 8, "bf16")


@given(models, hopper_and_later, st.sampled_from(["bf16", "fp8", "int4"]), st.integers(1, 100_000))
def test_the_smallest_group_fits_and_half_of_it_does_not(
    model: catalog.ModelShape, gpu: catalog.Accelerator, precision: catalog.Precision, context: int
) -> None:
    size = catalog.smallest_tensor_parallel(model, gpu, precision, context_tokens=context)
    if size is None:
        return
    assert catalog.require_fit(model, gpu, size, precision, context_tokens=context).kv_bytes > 0
    if size > 1:
        with pytest.raises(catalog.CatalogError, match=f"that fits is {size}"):
            catalog.require_fit(model, gpu, size // 2, precision, context_tokens=context)


def test_a_precision_that_a_chip_lacks_is_widened_or_refused() -> None:
    assert FACTS.accelerator("A100-80G").flops_for("fp8") == ("bf16", 312e12)
    assert FACTS.accelerator("T4").flops_for("bf16") == ("fp16", 65e12)
    with pytest.raises(catalog.CatalogError, match=r"T4 does not compute .*its precisions are"):
        replace(FACTS.accelerator("T4"), flops_per_s={"int8": 130e12}).flops_for("bf16")
