"""Iterations measured on one H100, and how well five terms and the roofline explain them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.performance.fit import Fit, fit
from raytide.autoscaling.performance.iterations import (
    IterationsUnreadable,
    MeasuredCard,
    MeasuredIteration,
    read_iterations,
)
from raytide.autoscaling.performance.serving_point import iteration_terms
from raytide.core import catalog
from raytide.core.catalog import EngineColumn, roofline

HEAD = "shape,n,kv_tokens,prefill_tokens,median_ms\n"
LARGEST_CHUNK = 2048


@pytest.fixture(scope="module")
def card(repository: Path) -> MeasuredCard:
    file = repository / "benchmarks" / "data" / "iterations_h100.csv"
    with file.open(newline="") as lines:
        return read_iterations(lines, name=file.name)


def fitted(card: MeasuredCard, shape: str, largest_chunk: int) -> Fit:
    rows = [row for row in card.iterations if row.shape == shape and row.prefill_tokens <= largest_chunk]
    return fit([point for row in rows if (point := row.as_serving_point) is not None])


@pytest.mark.parametrize("shape", ["Qwen3-8B", "Llama-3.1-8B", "Qwen3-32B/2", "Qwen3-14B", "Qwen3-0.6B"])
def test_five_terms_predict_batches_of_a_gpu_that_they_were_not_fitted_to(card: MeasuredCard, shape: str) -> None:
    decoding, mixed = fitted(card, shape, 0), fitted(card, shape, LARGEST_CHUNK)
    assert decoding.num_points >= 23
    assert decoding.loo_mape < 0.02
    assert mixed.num_points >= 35
    assert mixed.loo_mape < 0.055


@pytest.mark.parametrize(
    ("shape", "model", "size"), [("Llama-3.1-8B", "Llama-3.1-8B", 1), ("Qwen3-32B/2", "Qwen3-32B", 2)]
)
def test_an_engine_measured_elsewhere_is_no_faster_than_the_kernels_and_not_much_slower(
    card: MeasuredCard, shape: str, model: str, size: int
) -> None:
    engine, kernels = catalog.load().lookup(model, "H100", "bf16", size), fitted(card, shape, LARGEST_CHUNK).iteration
    assert isinstance(engine, EngineColumn)
    assert 1.0 <= engine.base_s / kernels.base_s < 1.05
    assert 1.0 <= engine.per_prefill_token_s / kernels.per_prefill_token_s < 1.1


@pytest.mark.parametrize("shape", ["Qwen3-8B", "Llama-3.1-8B", "Qwen3-14B"])
def test_the_roofline_of_an_engine_that_decodes_is_above_its_kernels_by_scheduling_only(
    card: MeasuredCard, shape: str
) -> None:
    facts = catalog.load()
    column = roofline(facts.model(shape), facts.accelerator("H100"), 1, "bf16")
    rows = [row for row in card.iterations if row.shape == shape and not row.prefill_tokens]
    over = np.array([column.iteration_s(row.num_sequences, row.kv_tokens, 0) / row.seconds - 1 for row in rows])
    scheduling = np.array([column.per_sequence_s * row.num_sequences / row.seconds for row in rows])
    assert over.min() > -0.05
    assert (over - scheduling).max() < 0.07


@given(
    num_sequences=st.integers(min_value=2, max_value=512),
    context=st.integers(min_value=1, max_value=100_000),
    prefill_tokens=st.integers(min_value=0, max_value=16_384),
)
def test_the_serving_point_of_an_iteration_has_its_terms(num_sequences: int, context: int, prefill_tokens: int) -> None:
    kv_tokens = num_sequences * context
    point = iteration(num_sequences, kv_tokens, prefill_tokens).as_serving_point
    assert point is not None
    (terms,) = iteration_terms([point])
    assert terms == pytest.approx([1, num_sequences, num_sequences**0.5, kv_tokens, prefill_tokens])


@pytest.mark.parametrize(("num_sequences", "prefill_tokens"), [(0, 512), (1, 512)])
def test_a_chunk_beside_less_than_two_sequences_is_no_steady_state(num_sequences: int, prefill_tokens: int) -> None:
    assert iteration(num_sequences, 100 * num_sequences, prefill_tokens).as_serving_point is None


def iteration(num_sequences: int, kv_tokens: int, prefill_tokens: int) -> MeasuredIteration:
    return MeasuredIteration(
        shape="tiny", num_sequences=num_sequences, kv_tokens=kv_tokens, prefill_tokens=prefill_tokens, seconds=0.01
    )


def test_a_file_says_which_card_it_is_about(card: MeasuredCard) -> None:
    assert card.facts["card"] == "NVIDIA H100 80GB HBM3"
    assert card.iterations[0] == MeasuredIteration(
        shape="Qwen3-8B", num_sequences=1, kv_tokens=512, prefill_tokens=0, seconds=6.8548e-3
    )


def test_a_file_of_something_else_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(IterationsUnreadable, match=r"trace\.csv has no column kv_tokens, prefill_tokens; use a file"):
        read_iterations(["shape,n,median_ms\n"], name="trace.csv")


def test_a_cell_that_is_no_number_is_refused_with_its_line() -> None:
    lines = ["# card: a card\n", HEAD, "tiny,1,16,0,1.5\n", "tiny,1,16,0,soon\n"]
    with pytest.raises(IterationsUnreadable, match=r"gpu\.csv:4: median_ms is 'soon'"):
        read_iterations(lines, name="gpu.csv")
