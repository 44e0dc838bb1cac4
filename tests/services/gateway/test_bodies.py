"""Reading what clients ask and engines answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.services.gateway.asked import CHAT, COMPLETIONS, EMBEDDINGS, Asked, asked_of, with_usage
from raytide.services.gateway.billing import End, settlement
from raytide.services.gateway.refusal import Refused
from raytide.services.gateway.stream import EventStream, Usage, usage_of
from raytide.services.ledger.money import Prices
from raytide.services.ledger.usage import Outcome

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["model", "prompt", "stream", "max_tokens", "n", "best_of", "stream_options", "input", "prompt_embeds", "messages"]
)
CONTEXT = 1000
MARK = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}


def read(path: str, **body: Any) -> Asked:
    return asked_of(path, json.dumps(body).encode(), None)


@given(
    st.sampled_from([COMPLETIONS, CHAT, EMBEDDINGS]),
    st.binary(max_size=60) | JSON.map(lambda x: json.dumps(x).encode()),
)
def test_any_bytes_are_a_request_or_refused(path: str, body: bytes) -> None:
    try:
        answer: Any = asked_of(path, body, None)
    except Refused as refused:
        answer = refused.refusal
    if isinstance(answer, Asked):
        assert answer.most_prompt_tokens(CONTEXT) >= 0
    else:
        assert answer.status == 400
        assert json.loads(answer.body)["error"]["message"]


@given(st.dictionaries(KEYS, JSON, max_size=5), st.sampled_from([COMPLETIONS, CHAT]))
def test_what_is_read_is_what_an_engine_reads(body: dict[str, Any], path: str) -> None:
    try:
        asked = read(path, **body)
    except Refused:
        return
    assert asked.model == body.get("model")
    assert asked.is_stream == bool(body.get("stream"))
    least = max(body.get("n") or 1, body.get("best_of") or 1)
    assert asked.num_sequences >= least
    if body.get("max_tokens") is not None:
        assert asked.max_output_tokens == body["max_tokens"]


@given(st.text(max_size=300), st.integers(0, 2000), st.integers(1, 5))
def test_the_worst_case_is_never_below_what_a_tokenizer_of_bytes_makes(text: str, tokens: int, num: int) -> None:
    asked = read(COMPLETIONS, model="chat", prompt=text, max_tokens=tokens, n=num)
    assert asked.most_prompt_tokens(CONTEXT) >= min(len(text.encode()), CONTEXT)
    assert asked.most_output_tokens(CONTEXT) == num * min(tokens, CONTEXT)


@pytest.mark.parametrize(
    ("body", "prompts", "sequences"),
    [
        ({"prompt": "a"}, 1, 1),
        ({"prompt": ["a", "b"], "n": 3}, 2, 6),
        ({"prompt": [1, 2, 3]}, 1, 1),
        ({"prompt": [[1, 2], [3]], "best_of": 2}, 2, 4),
        ({"prompt": []}, 1, 1),
        ({"prompt": "a", "n": 1, "best_of": 5}, 1, 5),
    ],
)
def test_prompts_and_sequences_are_counted(body: dict[str, Any], prompts: int, sequences: int) -> None:
    asked = read(COMPLETIONS, **body)
    assert (asked.num_prompts, asked.num_sequences) == (prompts, sequences)


def test_without_a_limit_a_completion_has_sixteen_tokens_and_a_chat_the_context() -> None:
    assert read(COMPLETIONS, prompt="a").most_output_tokens(CONTEXT) == 16
    assert read(CHAT, messages=[]).most_output_tokens(CONTEXT) == CONTEXT
    assert read(CHAT, max_tokens=5, max_completion_tokens=9).most_output_tokens(CONTEXT) == 9
    assert read(EMBEDDINGS, input=["a", "b"]).most_output_tokens(CONTEXT) == 0


def test_prompts_that_are_no_text_count_with_the_whole_context() -> None:
    assert read(COMPLETIONS, prompt_embeds=["AAAA"]).most_prompt_tokens(CONTEXT) == CONTEXT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"n": 0}',
        b'{"n": -1}',
        b'{"max_tokens": -1}',
        b'{"max_tokens": 1e99}',
        b'{"max_tokens": "5"}',
        b'{"n": 65537}',
        b'{"prompt": ["a", "b"], "n": 40000}',
        b'{"stream": "yes"}',
        b'{"prompt": "\xff"}',
        b'{"prompt": "\\ud83d"}',
        b'{"messages": [{"role": "user", "content": "\\uDE00 and more"}]}',
        b'{"prompt": NaN}',
        b'{"model": 7}',
        b'{"a": 1} {"b": 2}',
        b"[" * 100_000,
        '{"prompt": "x"}'.encode("utf-16"),
    ],
)
def test_what_no_engine_takes_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        asked_of(COMPLETIONS, body, None)
    assert refused.value.refusal.status == 400
    assert refused.value.refusal.code in ("malformed_json", "invalid_request")


@pytest.mark.parametrize("prompt", ["\U0001f600", "\\ud83d", "caf\u00e9", "\ud7ff\ue000"])
@pytest.mark.parametrize("is_escaped", [True, False])
def test_text_of_any_language_passes(prompt: str, is_escaped: bool) -> None:
    body = json.dumps({"prompt": prompt}, ensure_ascii=is_escaped).encode()
    assert asked_of(COMPLETIONS, body, None).num_prompts == 1


@given(st.dictionaries(KEYS.filter(lambda key: key != "stream_options"), JSON, max_size=4), st.none() | st.booleans())
def test_the_wish_for_usage_changes_nothing_else(body: dict[str, Any], has_own: bool | None) -> None:
    given_ = (
        body | {"stream": True} | ({} if has_own is None else {"stream_options": {"include_usage": has_own, "x": 1}})
    )
    raw = json.dumps(given_).encode()
    try:
        asked = asked_of(COMPLETIONS, raw, None)
    except Refused:
        return
    sent = json.loads(with_usage(raw, asked))
    assert sent["stream_options"].pop("include_usage") is True
    assert sent["stream_options"] == ({} if has_own is None else {"x": 1})
    assert {key: value for key, value in sent.items() if key != "stream_options"} == {
        key: value for key, value in given_.items() if key != "stream_options"
    }


TEXTS = st.lists(st.text(max_size=12), max_size=6)


@given(TEXTS, st.lists(st.integers(1, 40), max_size=30), st.booleans(), st.booleans())
def test_a_stream_passes_whole_however_it_is_cut_but_for_unwanted_usage(
    texts: list[str], cuts: list[int], wanted: bool, spaced: bool
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")

    def event(data: Any) -> bytes:
        return b"data: " + json.dumps(data, separators=separators).encode() + b"\n\n"

    words = [event({"choices": [{"text": text}]}) for text in [*texts, '"usage":{', "data: {"]]
    end = b"data: [DONE]\n\n"
    raw = b"".join([*words, event(MARK), end])
    stream, passed, at = EventStream(passes_usage=wanted), b"", 0
    for cut in [*cuts, len(raw)]:
        passed += stream.feed(raw[at : at + cut])
        at += cut
    passed += stream.rest()
    assert passed == (raw if wanted else b"".join([*words, end]))
    assert stream.usage == Usage(prompt_tokens=3, output_tokens=4)


def test_an_event_counts_once_whatever_the_model_writes_in_it() -> None:
    stream = EventStream(passes_usage=False)
    for text in ("plain", "data: data: data:", "\n\ndata: of an event"):
        stream.feed(b"data: " + json.dumps({"choices": [{"text": text}]}).encode() + b"\n\n")
    assert stream.num_events == 3


def test_an_event_with_usage_and_words_passes_in_any_case() -> None:
    event = b'data: {"choices":[{"text":"a"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    stream = EventStream(passes_usage=False)
    assert stream.feed(event) == event
    assert stream.usage == Usage(prompt_tokens=3, output_tokens=1)


def test_the_usage_of_a_whole_answer_is_found_or_missing() -> None:
    assert usage_of(json.dumps({"choices": [{"text": "a"}]} | {"usage": MARK["usage"]}).encode()) == Usage(
        prompt_tokens=3, output_tokens=4
    )
    assert usage_of(b'{"choices": []}') is None
    assert usage_of(b"not json") is None


@pytest.mark.parametrize(
    ("path", "end", "billed"),
    [
        (COMPLETIONS, End(outcome=Outcome.FINISHED, usage=Usage(prompt_tokens=7, output_tokens=5)), (7, 5)),
        (COMPLETIONS, End(outcome=Outcome.FAILED, usage=Usage(prompt_tokens=7, output_tokens=5)), (0, 0)),
        (COMPLETIONS, End(outcome=Outcome.CANCELLED), (0, 0)),
        (COMPLETIONS, End(outcome=Outcome.CANCELLED, num_events=3), (10, 3)),
        (CHAT, End(outcome=Outcome.CANCELLED, num_events=3), (10, 2)),
        (CHAT, End(outcome=Outcome.CANCELLED, num_events=1), (0, 0)),
    ],
)
def test_what_is_billed_follows_from_how_it_ended(path: str, end: End, billed: tuple[int, int]) -> None:
    asked = asked_of(path, json.dumps({"prompt": "x" * 27}).encode(), None)
    assert asked.estimated_prompt_tokens == 10
    entered = settlement("r", asked, end, Prices.per_million(1.0, 2.0))
    assert (entered.prompt_tokens, entered.output_tokens) == billed
    assert entered.cost_nano_usd == billed[0] * 1000 + billed[1] * 2000
