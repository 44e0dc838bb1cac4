"""`raytide feedback show | export`."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from raytide.services.feedback.answer import Answer, Judgement, Keeping, Rating
from raytide.services.feedback.store import Store
from raytide.services.ledger.database import connect, ledger_url
from raytide.services.ledger.tables import ANONYMOUS

from .conftest import Ran

QUESTION = '[{"role":"user","content":"2+2?"}]'


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYTIDE_HOME", str(tmp_path))
    return Store(connect(ledger_url(tmp_path)))


def keep(store: Store, answer_id: str, text: str, revision: str = "r1") -> None:
    answer = Answer(
        answer_id=answer_id,
        key_id=ANONYMOUS,
        service="chat",
        revision=revision,
        asked=QUESTION,
        text=text,
        answered_s=time.time(),
        keeping=Keeping(judge_within_s=60.0, keep_s=60.0, most_bytes=1000),
    )
    store.keep([answer])


def judge(store: Store, answer_id: str, rating: Rating | None, edit: str | None = None) -> None:
    store.judge(Judgement(answer_id=answer_id, secret_hash=None, rating=rating, edit=edit))


@pytest.fixture
def judged(store: Store) -> None:
    for answer_id, text, revision in (("rt-1", "five", "r1"), ("rt-2", "4, I think", "r2"), ("rt-3", "four", "r2")):
        keep(store, answer_id, text, revision)
    judge(store, "rt-1", Rating.DOWN)
    judge(store, "rt-2", None, "four")
    judge(store, "rt-3", Rating.UP)


@pytest.mark.usefixtures("judged")
def test_each_revision_is_shown_with_what_was_thought_of_it(here: Callable[..., Ran]) -> None:
    assert here("feedback", "show", "chat").out.splitlines() == [
        "r1  0 up, 1 down, 0 edits; 0% approve (0% to 79%)",
        "r2  1 up, 0 down, 1 edits; 100% approve (21% to 100%)",
    ]
    (first, _) = json.loads(here("feedback", "show", "chat", "--json").out)["revisions"]
    assert (first["down"], first["approval"]) == (1, 0.0)


@pytest.mark.usefixtures("judged")
def test_an_export_says_where_its_pairs_come_from(here: Callable[..., Ran], tmp_path: Path) -> None:
    said = here("feedback", "export", "chat", "--output", "data/preferences").out
    assert said == "2 pairs in data/preferences; 0 thumbs stand alone and are not in it\n"
    text = (tmp_path / "data" / "preferences" / "preferences.jsonl").read_text()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [(row["chosen"], row["rejected"], row["source"]["by"]) for row in rows] == [
        ("four", "4, I think", "edit"),
        ("four", "five", "thumbs"),
    ]
    manifest = json.loads((tmp_path / "data" / "preferences" / "manifest.json").read_text())
    assert manifest["revisions"] == {"r1": 1, "r2": 1}
    assert manifest["data_hash"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.usefixtures("judged")
def test_an_export_is_what_a_train_job_reads(here: Callable[..., Ran], tmp_path: Path) -> None:
    from raytide.jobs.train.feedback import file_of, find_feedback
    from raytide.jobs.train.preferences import read_preferences

    here("feedback", "export", "chat", "--output", "pairs")
    told = find_feedback(tmp_path / "pairs").manifest
    assert told is not None
    assert (told["service"], told["pairs"]) == ("chat", 2)
    (edited, _) = read_preferences(file_of(tmp_path / "pairs"))
    assert edited == (json.loads(QUESTION), "four", "4, I think")


@pytest.mark.usefixtures("judged")
def test_an_export_replaces_nothing(here: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    done = here("feedback", "export", "chat", "--output", "there")
    assert (done.exit_code, done.err.splitlines()[0].startswith("there exists; choose another")) == (1, True)


@pytest.mark.usefixtures("judged")
def test_a_folder_that_cannot_be_made_is_one_sentence(here: Callable[..., Ran]) -> None:
    done = here("feedback", "export", "chat", "--output", "/dev/null/preferences")
    assert (done.exit_code, "cannot be written (Not a directory)" in done.err) == (1, True)


def test_what_is_missing_is_told(here: Callable[..., Ran], store: Store) -> None:
    assert "declare `spec.feedback`" in here("feedback", "show", "chat").err
    keep(store, "rt-1", "five")
    assert "1 answers of 'chat' are kept and none was judged within 30d" in here("feedback", "show", "chat").err
    judge(store, "rt-1", Rating.UP)
    alone = here("feedback", "export", "chat", "--output", "pairs")
    assert (alone.exit_code, "make no pair yet" in alone.err) == (1, True)
    assert here("feedback", "show", "chat", "--since", "soon").exit_code == 2


@pytest.mark.usefixtures("judged")
def test_what_was_judged_later_can_be_left_out(here: Callable[..., Ran]) -> None:
    assert "none was judged from 30d until 1h ago" in here("feedback", "show", "chat", "--until", "1h").err
    backwards = here("feedback", "export", "chat", "--output", "pairs", "--since", "1h", "--until", "2h")
    assert (backwards.exit_code, "begins after --until 2h has ended" in backwards.err) == (2, True)
