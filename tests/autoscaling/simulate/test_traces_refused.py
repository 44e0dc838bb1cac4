from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.simulate.traces.draw import Draw
from raytide.autoscaling.simulate.traces.read import read_trace
from raytide.autoscaling.simulate.traces.trace import TraceError

PLAIN = "arrival_s,prompt_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
RATES = "window_start_s,requests_per_s\n"

REFUSED = {
    "too few cells": (PLAIN + "0,1,1\n1,1\n", ":3: the row has 2 cells"),
    "a word for a number": (PLAIN + "0,1,1\n1,many,1\n", ":3: prompt_tokens is 'many'"),
    "half a token": (PLAIN + "0,1,1\n1,1,1.5\n", ":3: output_tokens is '1.5'"),
    "an empty cell": (PLAIN + "0,1,1\n,1,1\n", ":3: arrival_s is ''"),
    "no number": (PLAIN + "0,1,1\nnan,1,1\n", ":3: the arrival is nan"),
    "a time that goes back": (PLAIN + "0,1,1\n5,1,1\n4,1,1\n9,1,1\n3,1,1\n", ":4: the arrival at 4.000000 s is before"),
    "lines between rows": (PLAIN + "0,1,1\n\n\n5,1,1\n4,1,1\n", ":6: the arrival at 4.000000 s is before"),
    "negative tokens": (PLAIN + "0,1,1\n1,-7,1\n", ":3: -7 prompt tokens"),
    "more tokens than a count holds": (PLAIN + "0,1,1\n1,1,3000000000\n", ":3: 3000000000 output tokens"),
    "a time before the start": (PLAIN + "-1,1,1\n1,1,1\n", ":2: the arrival at -1.0 s is before the trace starts"),
    "calendar seconds": (PLAIN + "1700000000,1,1\n1700000001,1,1\n", ":2: the first arrival is at 1700000000 s"),
    "no requests": (PLAIN, "has no requests"),
    "one request": (PLAIN + "0,1,1\n", "no length: 1 request(s)"),
    "no length": (PLAIN + "3,1,1\n3,1,1\n", "no length: 2 request(s), all at 3.0 s"),
    "no file content": ("", "the first line is empty"),
    "an unknown header": ("time,tokens\n0,1\n", "no known trace format; its first line is 'time,tokens'"),
    "a column twice": ("arrival_s," + PLAIN + "0,0,1,1\n1,1,1,1\n", ":1: two columns have the same name"),
    "an unknown object": ('{"t": 0}\n', ":1: no JSON object with timestamp, input_length"),
    "broken JSON": (
        '{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":[1]}\n{"timestamp"\n',
        ":2: no JSON object",
    ),
    "a list of words": (
        '{"timestamp":0,"input_length":1,"output_length":1,"hash_ids":["a"]}\n',
        ":1: expected numbers",
    ),
    "no timestamp": (AZURE + "2023-11-16 18:17:03.97,1,1\nyesterday,1,1\n", ":3: TIMESTAMP is 'yesterday'"),
    "a sudden time zone": (
        AZURE + "2023-11-16 18:17:03,1,1\n2023-11-16 18:17:04+00:00,1,1\n",
        ":3: timestamps with and without a time zone",
    ),
    "a calendar that goes back": (
        AZURE + "2023-11-16 18:17:03,1,1\n2023-11-16 18:17:05,1,1\n2023-11-16 18:17:04,1,1\n",
        ":4: the arrival at 1.000000 s is before",
    ),
    "one window": (RATES + "0,1\n", "1 window(s) of rates"),
    "windows that repeat": (RATES + "0,1\n0,1\n", ":3: the window at 0 s does not follow"),
    "a negative rate": (RATES + "0,1\n600,-1\n", ":3: a rate of -1.0"),
    "an endless rate": (RATES + "0,1\n600,inf\n", ":3: a rate of inf"),
    "rates of nothing": (RATES + "0,0\n600,0\n", "no requests from 0 s"),
    "more requests than memory": (RATES + "0,1000000\n600,1000000\n", "make 1,200,000,000 requests"),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_trace_is_refused_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(TraceError) as refused:
        read_trace(path)
    assert refused.value.exit_code == 2
    assert str(path) in str(refused.value)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("Paid", ":3: no class is named 'Paid'; did you mean 'paid'?"),
        ("", ":3: no class is named ''; the service declares paid, free"),
    ],
)
def test_a_class_that_is_not_declared_is_refused_with_its_place(tmp_path: Path, word: str, says: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"arrival_s,prompt_tokens,output_tokens,class\n0,1,1,free\n1,1,1,{word}\n2,1,1,other\n")
    with pytest.raises(TraceError) as refused:
        read_trace(path, classes=("paid", "free"))
    assert says in str(refused.value)


def test_an_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(TraceError) as refused:
        read_trace(path)
    for known in ("arrival_s,prompt_tokens", "TIMESTAMP,ContextTokens", "Request tokens", "hash_ids", "window_start_s"):
        assert known in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"gone\.csv: .*does not exist"):
        read_trace(tmp_path / "gone.csv")


def test_a_file_that_is_not_gzipped_says_so(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_text(PLAIN)
    with pytest.raises(TraceError, match=r"gzipped where it ends in \.gz"):
        read_trace(path)


def test_a_truncated_gzip_file_says_so(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i % 997},{i % 89}\n" for i in range(20_000))
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress((PLAIN + rows).encode())[:-3000])
    with pytest.raises(TraceError, match=r"trace\.csv\.gz"):
        read_trace(path)


def test_a_folder_without_clients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="a folder without chunk"):
        read_trace(tmp_path)


def test_a_folder_whose_clients_are_all_unreadable_says_why(tmp_path: Path) -> None:
    (tmp_path / "chunk-0-trace.csv").write_text("0,1,1,Poisson,1,1\n")
    with pytest.raises(TraceError, match="expected Gamma or Weibull"):
        read_trace(tmp_path, Draw())


@given(st.binary(max_size=200) | st.text("0123456789.,-\n", max_size=80).map(lambda text: (PLAIN + text).encode()))
def test_any_file_is_a_trace_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    try:
        trace = read_trace(path)
    except TraceError:
        return
    assert trace.span_s > trace.arrival_s[-1] >= trace.arrival_s[0] >= 0
