"""Two models' answers, judged by a third behind a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.errors import RaytideError, RunFailed, SpecError
from raytide.core.spec.evaluate import Pairwise
from raytide.jobs.evaluate.pairwise import Choice, judged, read_prompts
from raytide.jobs.evaluate.served_judge import KEY, ServedJudge

PAIRWISE = Pairwise(file="prompts.jsonl", judge="wise")
texts = st.text("abc", max_size=3)
pairs = st.lists(st.tuples(texts, texts), max_size=8)


def longer(_prompt: str, first: str, second: str) -> Choice | None:
    return None if len(first) == len(second) else "A" if len(first) > len(second) else "B"


@given(pairs)
def test_each_prompt_is_won_lost_or_tied_and_the_other_way_round_for_the_other(
    found: list[tuple[str, str]],
) -> None:
    ours, theirs = [own for own, _ in found], [other for _, other in found]
    prompts = [str(at) for at in range(len(found))]
    here, there = (judged(PAIRWISE, prompts, *each, "start", longer) for each in ((ours, theirs), (theirs, ours)))
    assert here.won == there.lost == tuple(len(own) > len(other) for own, other in found)
    assert sum(here.won) + sum(here.lost) + here.tied == len(found)


@given(pairs, st.sampled_from(["A", "B"]))
def test_a_judge_that_prefers_a_place_finds_no_winner(found: list[tuple[str, str]], place: Choice) -> None:
    ours, theirs = [own for own, _ in found], [other for _, other in found]
    judgement = judged(PAIRWISE, ours, ours, theirs, "start", lambda *_: place)
    assert (sum(judgement.won), sum(judgement.lost), judgement.tied) == (0, 0, len(found))


def test_equal_answers_are_a_tie_that_nobody_is_asked_about() -> None:
    def never(*_: str) -> Choice | None:
        raise AssertionError

    assert judged(PAIRWISE, ["p"], ["same"], ["same"], "start", never).tied == 1


@dataclass
class Judge:
    """An OpenAI server that says what it is told to."""

    url: str
    answers: list[tuple[int, Any]]
    asked: list[tuple[str | None, dict[str, Any]]] = field(default_factory=list)
    retry_after: str = "0"


@pytest.fixture
def serve() -> Iterator[Callable[..., Judge]]:
    servers: list[ThreadingHTTPServer] = []

    def started(*answers: tuple[int, Any]) -> Judge:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                judge.asked.append((self.headers["authorization"], body))
                status, said = judge.answers.pop(0)
                content = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.send_header("retry-after", judge.retry_after)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        judge = Judge(f"http://127.0.0.1:{server.server_port}/v1", list(answers))
        return judge

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def says(text: str) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"content": text}}]}


def of(judge: Judge) -> ServedJudge:
    return ServedJudge(PAIRWISE.model_copy(update={"url": judge.url}))


def test_a_judge_is_asked_for_one_letter_with_the_key_of_the_environment(
    serve: Callable[..., Judge], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, "rt-secret")
    judge = serve(says("A"), says(" B "), says("Neither."))
    asked = of(judge)
    assert [asked.prefers("What is 2+2?", "four", "five") for _ in range(3)] == ["A", "B", None]
    key, body = judge.asked[0]
    assert (key, body["model"], body["structured_outputs"]) == ("Bearer rt-secret", "wise", {"choice": ["A", "B"]})
    question = body["messages"][0]["content"]
    assert "What is 2+2?" in question
    assert question.index("[Answer A]\nfour") < question.index("[Answer B]\nfive")


def test_a_busy_judge_is_asked_again(serve: Callable[..., Judge]) -> None:
    busy = (429, {"error": {"message": "later"}})
    assert of(serve(busy, busy, says("B"))).prefers("p", "a", "b") == "B"


def test_a_proxy_before_the_judge_may_say_when_as_a_date(
    serve: Callable[..., Judge], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    judge = serve((503, {}), says("B"))
    judge.retry_after = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert of(judge).prefers("p", "a", "b") == "B"
    assert waits == [1.0]


@pytest.mark.parametrize("said", ["a page", [], {}, {"choices": []}, {"choices": [{"text": "A"}]}])
def test_what_is_no_chat_is_said_with_the_setting_to_correct(serve: Callable[..., Judge], said: Any) -> None:
    with pytest.raises(RunFailed, match=r"no answer to a chat.*correct spec\.pairwise\.url"):
        of(serve((200, said))).prefers("p", "a", "b")


def test_a_judge_at_no_url_is_one_sentence() -> None:
    with pytest.raises(RaytideError, match=r"http://127\.0\.0\.1:port/v1.*correct spec\.pairwise\.url"):
        ServedJudge(PAIRWISE.model_copy(update={"url": "http://127.0.0.1:port/v1"}))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((401, {"error": {"message": "this service needs an API key"}}), "needs an API key; set RAYTIDE_API_KEY"),
        ((404, {"error": {"message": "the model 'wise' does not exist"}}), "the model 'wise' does not exist"),
        ((500, "what"), "answers 500"),
    ],
)
def test_a_judge_that_refuses_is_one_sentence(serve: Callable[..., Judge], answer: Any, sentence: str) -> None:
    with pytest.raises(RunFailed, match=sentence):
        of(serve(answer)).prefers("p", "a", "b")


def test_a_judge_that_is_away_is_one_sentence() -> None:
    with pytest.raises(RunFailed, match="does not answer"):
        ServedJudge(PAIRWISE.model_copy(update={"url": "http://127.0.0.1:9/v1"})).prefers("p", "a", "b")


def test_a_line_that_is_no_prompt_is_named(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "one"}\n{"prompt": ""}\n')
    with pytest.raises(SpecError, match=r"prompts\.jsonl:2:1"):
        read_prompts(PAIRWISE, tmp_path / "prompts.jsonl")
