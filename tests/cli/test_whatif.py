from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Here = Callable[..., Any]


@pytest.fixture
def costs(here: Here, chat: Path, minutes: Path) -> Callable[..., dict[tuple[str, str], dict[str, Any]]]:
    """The rows by axis and value."""

    def run(*args: object) -> dict[tuple[str, str], dict[str, Any]]:
        ran = here("whatif", chat, "--trace", minutes, *args, "--policy", "static-peak", "--jobs", 1, "--json", "-")
        assert ran.exit_code == 0, ran.err
        return {(row["axis"], row["value"]): row for row in json.loads(ran.out)["rows"]}

    return run


def test_a_price_scales_the_cost_and_nothing_else(costs: Callable[..., Any]) -> None:
    found = costs("--price", "$5/h,$20/h")
    declared, dear = found["as declared", "2xH100"], found["price", "$20/h"]
    assert dear["usd_per_hour"] == pytest.approx(2 * declared["usd_per_hour"])
    assert dear["usd_per_million_output_tokens"] == pytest.approx(2 * declared["usd_per_million_output_tokens"])
    assert dear["attainment"] == declared["attainment"]


def test_more_traffic_costs_more_and_standing_headroom_does_too(costs: Callable[..., Any]) -> None:
    found = costs("--traffic", "0.5,3", "--headroom", "0,2")
    assert found["traffic", "×0.5"]["usd_per_hour"] < found["traffic", "×3"]["usd_per_hour"]
    none, two = found["headroom", "+0 replicas"], found["headroom", "+2 replicas"]
    assert none | {"axis": "", "value": ""} == found["as declared", "2xH100"] | {"axis": "", "value": ""}
    assert two["mean_replicas"] > none["mean_replicas"] + 1
    assert two["attainment"] >= none["attainment"]


def test_what_cannot_be_says_why_in_its_row(costs: Callable[..., Any]) -> None:
    found = costs("--hardware", "L4,H200:2", "--ttft", "1ms,2s")
    assert "does not fit on 1 x L4" in found["hardware", "1xL4"]["infeasible"]
    assert "raise it to that" in found["TTFT", "1ms"]["infeasible"]
    assert found["hardware", "2xH200"]["attainment"] >= 0.95
    assert found["TTFT", "2s"]["kept"]


def test_the_closed_form_answers_without_a_simulation(costs: Callable[..., Any]) -> None:
    found = costs("--analytic", "--traffic", "1,4")
    one, four = found["traffic", "×1"], found["traffic", "×4"]
    assert 1.0 <= one["mean_replicas"] < four["mean_replicas"] <= 6.0
    assert one["kept"]


def test_a_table_fits_a_terminal_and_names_what_is_not_possible(here: Here, chat: Path, minutes: Path) -> None:
    ran = here("whatif", chat, "--trace", minutes, "--analytic", "--hardware", "L4,H100:4")
    assert ran.exit_code == 0, ran.err
    assert "not possible" in ran.out
    assert "█" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--hardware", "H101:2"), "did you mean 'H100'?"),
        (("--hardware", "H100:two"), "write ACCELERATOR:GPUS"),
        (("--price", "5"), "--price is '5'; write a price such as $2.5/h"),
        (("--traffic", "0"), "write a factor from 0.001 to 1000"),
        (("--traffic", "1e300"), "write a factor from 0.001 to 1000"),
        (("--headroom", "-1"), "write a number of replicas"),
        (("--analytic", "--cold-start", "30s"), "--analytic knows no cold starts"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    here: Here, chat: Path, minutes: Path, args: tuple[str, ...], says: str
) -> None:
    ran = here("whatif", chat, "--trace", minutes, *args)
    assert ran.exit_code == 2
    assert says in ran.err
