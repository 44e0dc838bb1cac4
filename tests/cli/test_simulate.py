from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KEYS = [
    *("policy", "trace", "cold_start_s", "seed", "requests", "attainment"),
    *("ttft_p50_s", "ttft_p99_s", "tpot_p50_s", "tpot_p99_s", "gpu_hours", "cost_usd"),
    *("mean_replicas", "max_replicas", "changes", "flaps", "recovery_s", "aborted", "shed", "attainment_by_class"),
    *("oracle_cost_usd", "cost_over_oracle", "wall_s"),
]

Here = Callable[..., Any]


def _simulated(here: Here, out: Path, *args: object) -> dict[str, Any]:
    ran = here("simulate", *args, "--json", out)
    assert ran.exit_code == 0, ran.err
    return dict(json.loads(out.read_text()))


def test_a_run_has_every_key_of_a_league_row_in_order(here: Here, chat: Path, minutes: Path, tmp_path: Path) -> None:
    found = _simulated(here, tmp_path / "out.json", chat, "--trace", minutes, "--policy", "wva-v2")
    assert list(found)[: len(KEYS)] == KEYS
    assert found["policy"] == "wva-v2"
    assert found["trace"] == "minutes"
    assert found["cold_start_s"] == 30.0
    assert found["requests"] == 2880
    assert 0.0 < found["attainment"] <= 1.0
    assert found["cost_over_oracle"] == pytest.approx(found["cost_usd"] / found["oracle_cost_usd"])
    assert found["cold"].keys() < found.keys()
    assert found["gpu_hours"] == pytest.approx(2 * found["mean_replicas"] * 240 / 3600, rel=0.01)  # a lap of 240 s
    assert found["cost_usd"] == pytest.approx(10 / 2 * found["gpu_hours"])
    assert found["fluid_cost_usd"] <= found["oracle_cost_usd"] + 1e-9


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    args = (chat, "--trace", minutes, "--policy", "llmd-slo", "--times", 2, "--start-spread", 0.5, "--no-oracle")
    first, second, other = (_simulated(here, tmp_path / "out.json", *args, "--seed", seed) for seed in (3, 3, 4))
    assert first | {"wall_s": 0} == second | {"wall_s": 0}
    assert first["requests"] == 2 * 2880
    assert first["ttft_p99_s"] != other["ttft_p99_s"]


def test_without_an_oracle_its_numbers_are_null_and_the_output_says_how_to_ask(
    here: Here, chat: Path, minutes: Path
) -> None:
    args = ("simulate", chat, "--trace", minutes, "--policy", "static-peak", "--no-oracle")
    found = json.loads(here(*args, "--json", "-").out)
    assert found["oracle_cost_usd"] is None
    assert found["cost_over_oracle"] is None
    assert found["fluid_cost_usd"] > 0
    assert "--oracle does" in here(*args).out


def test_the_smallest_static_fleet_keeps_the_objective_and_one_replica_less_does_not(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    args = ("--trace", minutes, "--policy", "static-peak", "--no-oracle")
    peak = _simulated(here, tmp_path / "out.json", chat, *args)
    assert peak["attainment"] >= 0.95
    assert peak["changes"] == 0
    smaller = ("--set", f"spec.scaling.max_replicas={peak['max_replicas'] - 1}")
    assert _simulated(here, tmp_path / "out.json", chat, *args, *smaller)["attainment"] < 0.95


def test_the_oracle_is_played_as_a_policy_and_costs_what_it_says(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    found = _simulated(here, tmp_path / "out.json", chat, "--trace", minutes, "--policy", "oracle")
    assert found["cost_over_oracle"] == pytest.approx(1.0)
    assert found["attainment"] == found["oracle_attainment"] >= 0.95


def test_decisions_are_journalled_with_their_reasons(here: Here, chat: Path, minutes: Path, tmp_path: Path) -> None:
    journal = tmp_path / "decisions.jsonl"
    args = (chat, "--trace", minutes, "--policy", "wva-v2", "--no-oracle", "--decisions", journal)
    found = _simulated(here, tmp_path / "out.json", *args)
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(lines) >= found["changes"] > 0
    assert all(change["from"] != change["to"] and change["reasons"][-1]["says"] for change in lines[0]["changes"])


def test_classes_share_what_a_budget_allows_and_the_run_is_replayed(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    first, *rows = minutes.read_text().splitlines()
    words = (f"{row},{'paid' if number % 4 == 0 else 'free'}" for number, row in enumerate(rows))
    minutes.write_text("\n".join([f"{first},class", *words]))
    text = chat.read_text().replace(
        "spec:\n", "spec:\n  traffic: {classes: [{name: paid, priority: 1}, {name: free, priority: 0}]}\n", 1
    )
    chat.write_text(text)
    journal, decisions = tmp_path / "journal.jsonl", tmp_path / "decisions.jsonl"
    args = (chat, "--trace", minutes, "--no-oracle", "--set", "spec.scaling.max_replicas=1", "--times", 3)
    found = _simulated(here, tmp_path / "out.json", *args, "--journal", journal, "--decisions", decisions)
    assert found["attainment_by_class"]["paid"] > found["attainment_by_class"]["free"]
    assert 0 < found["shed"] < found["requests"]
    shares = [json.loads(line)["served"] for line in decisions.read_text().splitlines()]
    assert all(share["paid"] == 1 or share["free"] == 0 for share in shares)
    assert "each equal in every bit" in here("journal", "replay", journal).out
    assert "requests turned away" in here("simulate", *args).out


def test_a_page_needs_nothing_from_elsewhere(here: Here, chat: Path, minutes: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = here("simulate", chat, "--trace", minutes, "--policy", "wva-v2", "--no-oracle", "--page", page)
    assert ran.exit_code == 0, ran.err
    text = page.read_text()
    assert text.count("<svg") == 4
    assert "src=" not in text
    assert "<link" not in text
    assert "Decisions of wva-v2" in text


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--policy", "wva-v3"), "did you mean 'wva-v2'?"),
        (("--cold-start", "120"), "--cold-start is '120'; write a duration such as 500ms, 10s, 5m or 2h"),
        (("--metric-loss", "2"), "--metric-loss is '2'; write a share such as 30%"),
        (("--router", "least-load"), "did you mean 'least-loaded'?"),
        (("--times", "2", "--spread", "jiter"), "did you mean 'jitter'?"),
        (("--initial", "7"), "start with at most that many"),
        (("--seed", "9" * 23), "--seed"),
        (("--set", "spec.objectives.tpot={p99: 5ms}"), "already takes 13.8 ms of tpot"),
        (("--set", "spec.objectives.ttft={p99: 10ms}"), "raise it to that, or use faster hardware"),
        (("--set", "spec.budget={max_usd_per_hour: 9}"), "found $9/h, expected at least 10"),
        (
            ("--set", "spec.hardware.0.tensor_parallel=1", "--set", "spec.model.source=hf://a/Llama-3.1-70B"),
            "fits is 4",
        ),
        (("--policy", "autopilot", "--laps", "1"), "use a longer trace or more laps"),
        (("--trace", "nowhere.csv"), "nowhere.csv: cannot be read"),
        (("--json", "/no/such/folder/out.json"), "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    here: Here, chat: Path, minutes: Path, args: tuple[str, ...], says: str
) -> None:
    ran = here("simulate", chat, "--trace", minutes, "--policy", "static-peak", "--no-oracle", *args)
    assert ran.exit_code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_a_budget_below_the_floor_is_found_at_its_place(here: Here, chat: Path, minutes: Path) -> None:
    chat.write_text(chat.read_text() + "  budget: {max_usd_per_hour: 15}\n")
    ran = here("simulate", chat, "--trace", minutes, "--set", "spec.scaling.min_replicas=2")
    assert ran.exit_code == 2
    assert "chat.yaml:16:" in ran.err
    assert "expected at least 20" in ran.err


def test_a_malformed_trace_is_named_with_its_line(here: Here, chat: Path, minutes: Path) -> None:
    lines = minutes.read_text().splitlines()
    minutes.write_text("\n".join([*lines[:4], "12.0,many,3", *lines[4:]]))
    ran = here("simulate", chat, "--trace", minutes, "--policy", "wva-v2")
    assert ran.exit_code == 2
    assert "minutes.csv:5: prompt_tokens is 'many'" in ran.err


def test_a_trace_that_is_over_before_a_decision_is_refused(here: Here, chat: Path, minutes: Path) -> None:
    minutes.write_text("arrival_s,prompt_tokens,output_tokens\n0,100,20\n3,200,1\n")
    ran = here("simulate", chat, "--trace", minutes)
    assert ran.exit_code == 2
    assert "the trace is over after 6 s; give at least 15 s" in ran.err


def test_a_trace_of_seconds_is_enough_for_a_score(here: Here, chat: Path, minutes: Path) -> None:
    minutes.write_text("arrival_s,prompt_tokens,output_tokens\n0,100,20\n9,200,1\n")
    ran = here("simulate", chat, "--trace", minutes, "--policy", "static-peak", "--json", "-")
    assert ran.exit_code == 0, ran.err
    assert json.loads(ran.out)["attainment"] == 1.0
