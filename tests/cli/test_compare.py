from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Here = Callable[..., Any]


def _compared(here: Here, out: Path, *args: object) -> dict[str, Any]:
    ran = here("compare", *args, "--json", out, "--jobs", 1)
    assert ran.exit_code == 0, ran.err
    return dict(json.loads(out.read_text()))


@pytest.fixture
def later(minutes: Path) -> Path:
    """The other half of the same day: the same requests, in reverse order."""
    header, *rows = minutes.read_text().splitlines()
    back = [f"{240 - float(row.split(',')[0]):.6f},{row.split(',', 1)[1]}" for row in reversed(rows)]
    path = minutes.with_name("later.csv")
    path.write_text("\n".join([header, *back]) + "\n")
    return path


def test_who_keeps_the_objective_everywhere_stands_first_and_then_who_costs_least(
    here: Here, chat: Path, minutes: Path, later: Path, tmp_path: Path
) -> None:
    policies = ("--policy", "static,hpa-waiting", "--policy", "static-peak", "--no-oracle")
    found = _compared(here, tmp_path / "out.json", chat, "--trace", minutes, "--trace", later, *policies)
    table = [entry["default"] for entry in found["league"]]
    assert {row["policy"] for row in table} == {"static", "hpa-waiting", "static-peak"}
    ranks = [(-row["num_kept"], row["relative_cost"]) for row in table]
    assert ranks == sorted(ranks)
    assert table[0]["keeps_all"]
    assert {(row["policy"], row["trace"]) for row in found["rows"]} == {
        (row["policy"], trace) for row in table for trace in ("minutes", "later")
    }


def test_settings_are_chosen_on_other_traces_than_they_are_scored_on(
    here: Here, chat: Path, minutes: Path, later: Path, tmp_path: Path
) -> None:
    args = ("--policy", "static", "--no-oracle", "--tune", "--tune-on", minutes)
    found = _compared(here, tmp_path / "out.json", chat, "--trace", later, *args)
    (entry,) = found["league"]
    assert set(entry["tuned"]["traces"]) == {"later"}
    assert entry["tuned"]["cost_usd"] < entry["default"]["cost_usd"]
    assert {row["column"] for row in found["rows"]} == {"default", "tuned"}
    assert found["settings"] == {"static": next(r["setting"] for r in found["rows"] if r["column"] == "tuned")}


def test_several_seeds_give_an_interval_that_holds_the_mean(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    args = ("--policy", "hpa-waiting", "--no-oracle", "--seeds", 3, "--times", 2)
    found = _compared(here, tmp_path / "out.json", chat, minutes, *args)
    low, high = found["league"][0]["default"]["relative_cost_ci95"]
    assert low <= found["league"][0]["default"]["relative_cost"] <= high
    assert sorted(row["seed"] for row in found["rows"]) == [0, 1, 2]


def test_processes_find_the_same_as_one_alone_and_the_table_fits_a_terminal(
    here: Here, chat: Path, minutes: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    args = ("compare", chat, "--trace", minutes, "--policy", "wva-v2,static-peak")
    out = tmp_path / "out.json"
    one = here(*args, "--jobs", 1, "--html", page, "--json", out)
    alone = [row | {"wall_s": 0} for row in json.loads(out.read_text())["rows"]]
    two = here(*args, "--jobs", 2, "--json", out)
    assert one.exit_code == two.exit_code == 0, two.err
    assert one.out == two.out
    assert alone == [row | {"wall_s": 0} for row in json.loads(out.read_text())["rows"]]
    assert max(map(len, one.out.splitlines())) <= 100
    assert "oracle" in page.read_text()


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ((), "give at least one as --trace FILE"),
        (("--tune",), "give at least one as --tune-on FILE"),
        (("--policy", "raytyde"), "did you mean 'raytide'?"),
        (("--policy", "static-peak,autopilot", "--laps", "1", "--jobs", "2", "--no-oracle"), "decides every 300 s"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(
    here: Here, chat: Path, minutes: Path, args: tuple[str, ...], says: str
) -> None:
    traces = ("--trace", minutes) if args else ()
    ran = here("compare", chat, *traces, *args)
    assert ran.exit_code == 2
    assert says in ran.err
