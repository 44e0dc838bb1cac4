from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raytide.services.ledger.account import Ask
from raytide.services.ledger.database import connect, ledger_url
from raytide.services.ledger.secret import hash_of
from raytide.services.ledger.store import Ledger
from raytide.services.ledger.usage import Outcome, Settlement

Here = Callable[..., Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAYTIDE_LEDGER", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def _used(home: Path, secret: str) -> None:
    ledger = Ledger(connect(ledger_url(home)), gateway="g")
    ask = Ask(request_id="r", service="chat", secret_hash=hash_of(secret), tokens=9, worst_nano_usd=50_000)
    ended = Settlement(
        request_id="r", outcome=Outcome.FINISHED, prompt_tokens=1000, output_tokens=7, cost_nano_usd=12_000
    )
    ledger.enter([ask, ended])


def test_a_key_is_made_used_listed_and_revoked(here: Here, home: Path) -> None:
    made = json.loads(here("keys", "create", "team-a", "--usd-per-day", "2.5", "--json").out)
    _used(home, made["secret"])
    (key,) = json.loads(here("keys", "list", "--json").out)["keys"]
    assert (key["id"], key["name"], key["revoked_at"]) == (made["id"], "team-a", None)
    assert key["budget"] == {
        "period": "day",
        "nano_usd": 2_500_000_000,
        "spent_nano_usd": 12_000,
        "reserved_nano_usd": 0,
    }
    assert key["usage"] == [
        {"service": "chat", "requests": 1, "prompt_tokens": 1000, "output_tokens": 7, "charged_nano_usd": 12_000}
    ]
    assert here("keys", "revoke", "team-a").out == f"{made['id']} is revoked\n"
    assert json.loads(here("keys", "list", "--json").out)["keys"][0]["revoked_at"]


def test_the_list_is_readable_and_holds_no_secret(here: Here, home: Path) -> None:
    assert here("keys", "list").out == "there is no key yet; `raytide keys create NAME` makes one\n"
    said = here("keys", "create", "team-a", "--tokens-per-minute", "200k", "--usd-total", "100", "--class", "batch").out
    secret = said.splitlines()[1]
    assert said.splitlines()[2] == "This is the only time the secret is shown; keep it now."
    _used(home, secret)
    listed = here("keys", "list").out
    assert secret not in listed
    assert "team-a" in listed
    assert "200,000 tokens/min, $0.000012 of $100.00 in total spent" in listed
    assert "chat: 1 requests, 1,000 prompt and 7 output tokens, $0.000012" in listed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--usd-per-day", "1", "--usd-total", "1"], "exclude each other"),
        (["--usd-per-day", "ten"], "--usd-per-day is 'ten'; write dollars such as 25 or 0.5"),
        (["--usd-total", "-1"], "dollars above 0"),
        (["--usd-total", "nan"], "dollars"),
        (["--requests-per-minute", "1.5"], "a whole number such as 600"),
        (["--tokens-per-minute", "0"], "a number above zero"),
    ],
)
def test_an_option_that_means_nothing_is_refused_and_no_key_is_made(here: Here, options: list[str], says: str) -> None:
    ran = here("keys", "create", "team-a", *options)
    assert ran.exit_code == 2
    assert says in ran.err
    assert json.loads(here("keys", "list", "--json").out) == {"keys": []}


@pytest.mark.parametrize("name", ["", " ", "team\na", "x" * 201])
def test_a_name_that_nobody_could_read_is_refused_and_no_key_is_made(here: Here, name: str) -> None:
    ran = here("keys", "create", name)
    assert (ran.exit_code, "in 1 to 200 characters, as team-a" in ran.err) == (2, True)
    assert json.loads(here("keys", "list", "--json").out) == {"keys": []}


def test_an_unknown_key_and_an_unknown_database_are_one_sentence(here: Here) -> None:
    unknown = here("keys", "revoke", "nobody")
    assert (unknown.exit_code, unknown.out) == (1, "")
    assert unknown.err == "no key is called 'nobody'; `raytide keys list` shows the ids and names\n"
    away = here("keys", "list", "--ledger", "postgresql://nobody@127.0.0.1:1/none")
    assert away.exit_code == 1
    assert away.err.startswith("the ledger cannot be opened (")
    assert here("keys", "list", "--ledger", "no url").exit_code == 1


def test_the_ledger_is_the_one_that_the_cluster_file_declares(here: Here, tmp_path: Path, repository: Path) -> None:
    laptop = (repository / "platform/cluster.yaml").read_text()
    file = tmp_path / "cluster.yaml"
    file.write_text(laptop.replace("spec:\n", f"spec:\n  gateway: {{ledger: 'sqlite:///{tmp_path}/its.db'}}\n", 1))
    here("keys", "create", "team-a", "--cluster", file)
    assert (tmp_path / "its.db").exists()
    assert json.loads(here("keys", "list", "--json").out) == {"keys": []}


def test_a_budget_too_small_to_be_kept_is_refused(here: Here) -> None:
    made = here("keys", "create", "a", "--usd-per-day", "1e-12")
    assert (made.exit_code, made.err) == (
        2,
        "--usd-per-day is '1e-12'; write dollars above 0, from a billionth to a billion\n",
    )
