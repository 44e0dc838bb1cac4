"""The bytes of an exchange as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raytide.services.feedback.transcript import asked_in, said_in

QUESTION = [{"role": "user", "content": "2 and 2?"}]


def encoded(**body: Any) -> bytes:
    return json.dumps(body).encode()


def stream(*choices: dict[str, Any]) -> bytes:
    events = [*(json.dumps({"choices": [choice]}) for choice in choices), json.dumps({"choices": []}), "[DONE]"]
    return "".join(f"data: {event}\n\n" for event in events).encode()


def test_a_conversation_is_the_same_text_whatever_else_the_request_says() -> None:
    asked = asked_in(encoded(model="chat", messages=QUESTION, max_tokens=4))
    assert asked == asked_in(encoded(messages=[{"content": "2 and 2?", "role": "user", "name": "x"}], stream=True))
    assert json.loads(asked or "") == QUESTION
    assert json.loads(asked_in(encoded(prompt="def f():")) or "") == "def f():"


@pytest.mark.parametrize(
    "body",
    [
        encoded(prompt=["one", "two"]),
        encoded(prompt=[1, 2, 3]),
        encoded(prompt="one", n=2),
        encoded(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]),
        encoded(messages=QUESTION, tools=[{"type": "function"}]),
        encoded(input="an embedding"),
    ],
)
def test_what_is_not_one_text_is_no_question_to_learn_from(body: bytes) -> None:
    assert asked_in(body) is None


def test_a_stream_says_what_the_whole_answer_says() -> None:
    whole = encoded(choices=[{"index": 0, "message": {"role": "assistant", "content": "Four, häufig."}}])
    parts = stream(
        {"delta": {"role": "assistant"}}, {"delta": {"content": "Four, "}}, {"delta": {"content": "häufig."}}
    )
    assert said_in(whole, is_stream=False) == said_in(parts, is_stream=True) == "Four, häufig."
    assert said_in(stream({"text": "Fo"}, {"text": "ur"}), is_stream=True) == "Four"


@pytest.mark.parametrize(
    "choices",
    [
        [{"index": 0, "text": "one"}, {"index": 1, "text": "two"}],
        [{"index": 0, "message": {"content": None, "tool_calls": [{"id": "a"}]}}],
        [{"index": 0, "text": ""}],
        [{"index": 0, "text": "a\0b"}],
        [],
    ],
)
def test_what_is_not_one_text_is_no_answer_to_learn_from(choices: list[dict[str, Any]]) -> None:
    assert said_in(encoded(choices=choices), is_stream=False) is None
    assert said_in(b"no JSON", is_stream=False) is None
