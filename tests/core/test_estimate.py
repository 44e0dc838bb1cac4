from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core import catalog
from raytide.core.catalog.roofline import KNOWN_ERROR
from raytide.core.estimate import Errors, Scenario, compare, estimate, read_points
from raytide.core.estimate.latency import tpot_s
from raytide.core.estimate.quantity import parse_quantity

FACTS = catalog.load()


def scenario(accelerator: str = "H100", **facts: Any) -> Scenario:
    return Scenario(accelerator=FACTS.accelerator(accelerator), price=FACTS.price(accelerator), **facts)


def test_175_billion_parameters_in_16_bits_need_more_than_four_a100() -> None:
    memory = estimate(scenario("A100-80G", model=catalog.assumed_shape(175e9), precision="fp16"), FACTS)["Memory"]
    assert memory["weights"].value == 350e9
    assert memory["weights"].text == "350 GB"
    assert memory["weights"].formula == "175B parameters × 2 bytes (fp16)"
    assert memory["for the weights alone"].value == 5
    assert memory["one replica"].value == 8


def test_70_billion_parameters_in_16_bits_need_at_least_two_a100() -> None:
    memory = estimate(scenario("A100-80G", model=catalog.assumed_shape(70e9), precision="fp16"), FACTS)["Memory"]
    assert memory["weights"].value == 140e9
    assert memory["for the weights alone"].value == 2
    assert memory["one replica"].value >= 2


def test_a_thousand_requests_a_second_of_one_second_with_fifty_at_once_take_twenty_h100() -> None:
    load = estimate(scenario(requests_per_s=1000, seconds_per_request=1, concurrency=50), FACTS)["Load"]
    assert load["in flight"].value == 1000
    assert load["H100"].value == 20
    assert load["cost per hour"].value == pytest.approx(20 * 6.88)


def test_the_smallest_load_takes_a_replica() -> None:
    load = estimate(scenario(requests_per_s=1e-9, seconds_per_request=1.0, concurrency=50), FACTS)["Load"]
    assert load["replicas"].value == 1


def test_an_answer_of_200_tokens_takes_200_passes_one_after_the_other() -> None:
    latency = estimate(scenario(model=FACTS.model("Qwen3-8B"), output_tokens=200), FACTS)["Latency"]
    assert latency["passes"].value == 200
    assert latency["time of a request"].value == pytest.approx(
        latency["time to first token"].value + 199 * latency["time per output token"].value
    )


@pytest.mark.parametrize("model", ["Qwen3-8B", "Llama-3.1-70B", "gpt-oss-120b"])
def test_an_answer_of_500_tokens_costs_about_five_times_one_of_100(model: str) -> None:
    long, short = (
        estimate(scenario(model=FACTS.model(model), prompt_tokens=32, output_tokens=tokens), FACTS)["Load"]
        for tokens in (500, 100)
    )
    assert long["per 1,000 answers"].value / short["per 1,000 answers"].value == pytest.approx(5, rel=0.15)


def test_training_takes_six_flops_for_each_parameter_and_token() -> None:
    asked = scenario(model=FACTS.model("GPT-3-175B"), precision="fp16", train_tokens=300e9, num_gpus=1024, mfu=0.5)
    training = estimate(asked, FACTS)["Training"]
    assert training["work"].value == pytest.approx(3.15e23, rel=0.01)  # Brown et al. 2020, table D.1: 3.14e23
    assert training["training time"].value == pytest.approx(3.15e23 / (1024 * 989.5e12 * 0.5))
    assert training["training state"].value == 16 * 175e9


def test_too_few_accelerators_to_train_are_told_the_fewest() -> None:
    with pytest.raises(catalog.CatalogError, match=r"4 x H100 do not hold the 2.8 TB .* the fewest are 44"):
        estimate(scenario(model=FACTS.model("GPT-3-175B"), train_tokens=1e9, num_gpus=4), FACTS)


def test_users_who_think_send_less() -> None:
    model = FACTS.model("Qwen3-8B")
    busy, thinking = (
        estimate(scenario(model=model, users=100, think_time_s=think), FACTS)["Load"] for think in (0.0, 10.0)
    )
    assert busy["in flight"].value == pytest.approx(100)
    assert thinking["in flight"].value < 50


def test_a_price_that_is_not_known_gives_no_cost() -> None:
    result = estimate(scenario("GB300", model=FACTS.model("Qwen3-8B")), FACTS)
    assert not [step for section in result.sections for step in section.steps if step.unit.startswith("USD")]
    assert any(note.startswith("price: no public on-demand price of GB300") for note in result.notes)


def test_an_estimate_says_what_its_latency_rests_on() -> None:
    assumed = estimate(scenario(model=FACTS.model("Qwen3-14B")), FACTS)
    assert any("TPOT is off by 10% in the median" in note and KNOWN_ERROR.command in note for note in assumed.notes)
    latent = estimate(scenario("B200", model=FACTS.model("DeepSeek-V3"), precision="fp8"), FACTS)
    assert any("33% for models with a latent cache" in note for note in latent.notes)
    measured = estimate(scenario(model=FACTS.model("Qwen3-32B"), tensor_parallel=2), FACTS)
    assert any("measured on vllm 0.12.0; error on points left out of the fit 2.5%" in note for note in measured.notes)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"output_tokens": 0}, "output_tokens is 0; give a number above 0"),
        ({"requests_per_s": -1.0}, "requests_per_s is -1"),
        ({"requests_per_s": float("nan")}, "requests_per_s is nan"),
        ({"mfu": 1.5}, "mfu is 1.5; give a share"),
        ({"think_time_s": -1.0}, "think_time_s is -1"),
        ({"users": 1, "requests_per_s": 1.0}, "give one of them"),
    ],
)
def test_a_number_that_makes_no_sense_is_named(facts: dict[str, Any], says: str) -> None:
    with pytest.raises(catalog.CatalogError, match=says):
        scenario(**facts)


def test_what_does_not_fit_is_told_what_does() -> None:
    with pytest.raises(catalog.CatalogError, match="the nearest tensor_parallel that fits is 4"):
        estimate(scenario(model=FACTS.model("Llama-3.1-70B"), tensor_parallel=1), FACTS)
    with pytest.raises(catalog.CatalogError, match="the most is 210 requests, a concurrency of 105"):
        estimate(scenario(model=FACTS.model("Qwen3-32B"), tensor_parallel=2, concurrency=106), FACTS)
    with pytest.raises(catalog.CatalogError, match="give a model"):
        estimate(scenario(requests_per_s=10), FACTS)


@given(st.floats(0.01, 1e5), st.floats(0.01, 100), st.integers(1, 500))
def test_the_replicas_of_littles_law_suffice_and_one_fewer_does_not(rate: float, seconds: float, batch: int) -> None:
    asked = scenario(requests_per_s=rate, seconds_per_request=seconds, concurrency=batch)
    replicas = estimate(asked, FACTS)["Load"]["replicas"].value
    assert replicas * batch >= rate * seconds * (1 - 1e-6)
    assert (replicas - 1) * batch < rate * seconds


@pytest.mark.parametrize(("text", "value"), [("175B", 175e9), ("1.5t", 1.5e12), ("200k", 2e5), ("7", 7), ("2G", 2e9)])
def test_counts_are_read_as_people_say_them(text: str, value: float) -> None:
    assert parse_quantity(text, "params") == value


@pytest.mark.parametrize("text", ["", "-3B", "0", "175 billion", "1e9", "nan", "B"])
def test_a_count_that_is_none_is_named(text: str) -> None:
    with pytest.raises(catalog.CatalogError, match=r"params is .*give a number above 0"):
        parse_quantity(text, "params")


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """Three points that a column of the catalog explains exactly, and one of another kind."""
    column = FACTS.column(FACTS.model("Qwen3-32B"), FACTS.accelerator("H100"), "bf16", 2)
    rows = [
        {
            "backend": "vllm", "model_path": "Qwen/Qwen3-32B", "system": "h100_sxm", "precision": "", "mode": mode,
            "isl": 1024, "osl": 512, "tp_size": 2, "concurrency": batch, "silicon_ttft_ms": 200,
            "silicon_tpot_ms": tpot_s(column, batch, 1024, 512) * 1000,
        }
        for batch, mode in ((8, "agg"), (16, "agg"), (32, "agg"), (32, "disagg"))
    ]  # fmt: skip
    file = tmp_path / "points.csv"
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_errors_against_measured_points_are_counted_by_model_and_accelerator(measured: Path) -> None:
    points = read_points(measured, FACTS)
    assert points.left_out == {"prefill and decode on different machines": 1}
    group, total = compare(points.points, FACTS)
    assert (group.model, group.accelerator, total.model) == ("Qwen3-32B", "H100", "all")
    assert isinstance(group.column, Errors)
    assert group.column.tpot_mean == pytest.approx(0, abs=1e-9)
    assert group.roofline.num_points == 3
    assert 0.001 < group.roofline.tpot_mean < 0.3


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("concurrency", "users", "the header lacks concurrency"),
        (",1024,", ",many,", ":2: isl is 'many'; give a number above 0"),
        ("h100_sxm,,", "h100_sxm,bf61,", ":2: precision is 'bf61'"),
    ],
)
def test_a_mistake_in_measured_points_is_named_with_its_row(measured: Path, old: str, new: str, says: str) -> None:
    measured.write_text(measured.read_text().replace(old, new))
    with pytest.raises(catalog.CatalogError, match=says):
        read_points(measured, FACTS)


def test_a_row_that_was_cut_off_is_left_out(measured: Path) -> None:
    before = read_points(measured, FACTS)
    with measured.open("a") as rows:
        rows.write("vllm,Qwen3-32B\n")
    after = read_points(measured, FACTS)
    assert after.points == before.points
    assert sum(after.left_out.values()) == sum(before.left_out.values()) + 1


def test_the_error_that_an_estimate_states_is_the_measured_one(shared_data: Path) -> None:
    points = read_points(shared_data / "silicon" / "silicon_reference.csv", FACTS).points
    latent = compare([point for point in points if point.model.is_latent], FACTS)[-1]
    assert latent.roofline.tpot_mean == pytest.approx(KNOWN_ERROR.tpot_latent, abs=0.005)
    total = compare([point for point in points if not point.model.is_latent], FACTS)[-1]
    assert total.roofline.num_points == KNOWN_ERROR.num_points
    assert total.roofline.tpot_median == pytest.approx(KNOWN_ERROR.tpot_median, abs=0.005)
    assert total.roofline.tpot_mean == pytest.approx(KNOWN_ERROR.tpot_mean, abs=0.005)
    assert total.roofline.ttft_mean == pytest.approx(KNOWN_ERROR.ttft_mean, abs=0.005)


def test_more_requests_at_once_take_longer_and_cost_less_each() -> None:
    asked = scenario(model=FACTS.model("Llama-3.1-8B"))
    few, many = (estimate(replace(asked, concurrency=batch), FACTS) for batch in (4, 64))
    assert many["Latency"]["time of a request"].value > few["Latency"]["time of a request"].value
    assert many["Load"]["per 1,000 answers"].value < few["Load"]["per 1,000 answers"].value
