from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from raytide.autoscaling.simulate.traces.draw import Draw
from raytide.autoscaling.simulate.traces.mooncake import prefix_hits
from raytide.autoscaling.simulate.traces.read import read_trace
from raytide.autoscaling.simulate.traces.trace import Trace

Write = Callable[[str, str], Path]

PLAIN = "arrival_s,prompt_tokens,output_tokens\n0.0,100,10\n0.5,200,0\n2.0,300,30\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


def equal(one: Trace, other: Trace) -> bool:
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        for field in ("arrival_s", "prompt_tokens", "output_tokens")
    )


def test_a_plain_file_is_read_as_it_stands(write: Write) -> None:
    trace = read_trace(write("mine.csv", PLAIN))
    assert trace.name == "mine"
    assert trace.arrival_s.tolist() == [0.0, 0.5, 2.0]
    assert trace.prompt_tokens.tolist() == [100, 200, 300]
    dtypes = [str(array.dtype) for array in (trace.arrival_s, trace.prompt_tokens, trace.output_tokens)]
    assert dtypes == ["float64", "int32", "int32"]
    assert trace.cached_tokens is None


def test_an_output_of_no_tokens_counts_as_one(write: Write) -> None:
    assert read_trace(write("mine.csv", PLAIN)).output_tokens.tolist() == [10, 1, 30]


def test_a_lap_is_the_last_arrival_and_a_mean_gap(write: Write) -> None:
    trace = read_trace(write("mine.csv", PLAIN))
    assert trace.span_s == 3.0
    assert trace.requests_per_s == 1.0


def test_a_traces_arrays_cannot_be_changed(write: Write) -> None:
    trace = read_trace(write("mine.csv", PLAIN))
    with pytest.raises(ValueError, match="read-only"):
        trace.arrival_s[0] = 1.0


def test_a_traces_arrays_are_its_own() -> None:
    arrival_s = np.array([0.0, 1.0])
    trace = Trace(name="t", arrival_s=arrival_s, prompt_tokens=[1, 1], output_tokens=[1, 1], span_s=2.0)  # type: ignore[arg-type]
    arrival_s[0] = 7.0
    assert trace.arrival_s[0] == 0.0


def test_columns_are_found_by_name_and_others_are_ignored(write: Write) -> None:
    text = "user,output_tokens,arrival_s,prompt_tokens\nann,10,0.0,100\nbob,0,0.5,200\ncleo,30,2.0,300\n"
    assert equal(read_trace(write("a.csv", text)), read_trace(write("b.csv", PLAIN)))


def test_cached_tokens_are_read_where_the_file_has_them_and_leave_a_token_to_compute(write: Write) -> None:
    text = "arrival_s,prompt_tokens,output_tokens,cached_tokens\n0,100,1,60\n1,100,1,100\n"
    cached = read_trace(write("mine.csv", text)).cached_tokens
    assert cached is not None
    assert cached.tolist() == [60, 99]


CLASSES = "arrival_s,prompt_tokens,output_tokens,class\n0,100,1,free\n1,100,1,paid\n2,100,1,free\n"


def test_a_class_is_read_as_its_place_among_the_declared_ones(write: Write) -> None:
    class_of = read_trace(write("mine.csv", CLASSES), classes=("paid", "free")).class_of
    assert class_of is not None
    assert class_of.tolist() == [1, 0, 1]


def test_a_class_is_ignored_where_none_is_declared_and_missed_where_some_are(write: Write) -> None:
    undeclared = read_trace(write("a.csv", CLASSES))
    assert (undeclared.class_of, undeclared.notes) == (None, ())
    unnamed = read_trace(write("b.csv", PLAIN), classes=("paid", "free"))
    assert unnamed.class_of is None
    assert unnamed.notes == ("the trace names no traffic class, so nobody is turned away",)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_every_line_ending_reads_the_same(tmp_path: Path, write: Write, ending: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(PLAIN.replace("\n", ending).encode("utf-8-sig"))
    assert equal(read_trace(path), read_trace(write("mine.csv", PLAIN)))


def test_a_gzipped_file_reads_as_its_content(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "mine.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert equal(read_trace(path), read_trace(write("mine.csv", PLAIN)))
    assert read_trace(path).name == "mine"


def test_an_azure_file_of_2023_counts_from_its_first_request_to_the_digit(write: Write) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        "2023-11-16 18:15:46.6805900,374,44\r\n"
        "2023-11-16 18:15:46.6805907,396,0\r\n"
        "2023-11-16 18:15:50,879,55\r\n"
    )
    trace = read_trace(write("azure.csv", text))
    assert trace.arrival_s == pytest.approx([0.0, 7e-7, 3.31941], abs=1e-12)
    assert trace.output_tokens.tolist() == [44, 1, 55]


def test_an_azure_file_of_2024_has_a_time_zone(write: Write) -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.009930+00:00,2162,5\n"
        "2024-05-10 00:00:01+00:00,2399,6\n"
    )
    assert read_trace(write("azure.csv", text)).arrival_s == pytest.approx([0.0, 0.99007])


def test_a_burstgpt_file_counts_from_its_first_request(write: Write) -> None:
    text = (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        "5,ChatGPT,472,18,490,Conversation log\n"
        "45,GPT-4,1087,0,1087,API log\n"
    )
    trace = read_trace(write("burst.csv", text))
    assert trace.arrival_s.tolist() == [0.0, 40.0]
    assert trace.prompt_tokens.tolist() == [472, 1087]
    assert trace.output_tokens.tolist() == [18, 1]


def mooncake(*rows: tuple[int, int, list[int]]) -> str:
    keys = ("timestamp", "input_length", "output_length", "hash_ids")
    return "\n".join(json.dumps(dict(zip(keys, (at, prompt, 7, ids), strict=True))) for at, prompt, ids in rows)


def test_a_mooncake_file_says_what_a_prefix_cache_held(write: Write) -> None:
    text = mooncake((27000, 1500, [0, 1, 2]), (27000, 1400, [0, 1, 9]), (30000, 1024, [0, 1]), (31000, 600, [5, 1]))
    trace = read_trace(write("moon.jsonl", text))
    assert trace.arrival_s.tolist() == [0.0, 0.0, 3.0, 4.0]
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [0, 1024, 1023, 0]  # a whole prompt cached still computes its last token


def test_a_prefix_cache_forgets_the_prompt_that_was_used_least_recently() -> None:
    prompts = [(0, 1), (2, 3), (0, 1), (4, 5), (0, 1), (2, 3)]
    assert list(prefix_hits(prompts, 4)) == [0, 0, 2, 0, 2, 0]


def test_a_prefix_cache_forgets_the_end_of_a_prompt_before_its_beginning() -> None:
    assert list(prefix_hits([(0, 1, 2), (3,), (0, 1, 2)], 3)) == [0, 0, 2]


def test_without_a_cache_nothing_is_held(write: Write) -> None:
    trace = read_trace(write("moon.jsonl", mooncake((0, 600, [0]), (1, 600, [0]))), prefix_cache_tokens=0)
    assert trace.cached_tokens is not None
    assert trace.cached_tokens.tolist() == [0, 0]


RATES = "window_start_s,requests_per_s\n0,10\n100,0\n200,30\n"


def test_a_rates_file_draws_requests_at_its_rates(write: Write) -> None:
    trace = read_trace(write("rates.csv", RATES), Draw(seed=3))
    counts = np.histogram(trace.arrival_s, bins=[0, 100, 200, 300])[0]
    assert trace.span_s == 300.0
    assert counts[1] == 0
    assert counts[[0, 2]] == pytest.approx([1000, 3000], rel=0.15)


def test_the_same_seed_draws_the_same_requests_and_another_seed_others(write: Write) -> None:
    path = write("rates.csv", RATES)
    assert equal(read_trace(path, Draw(seed=1)), read_trace(path, Draw(seed=1)))
    assert not equal(read_trace(path, Draw(seed=1)), read_trace(path, Draw(seed=2)))


def test_rates_are_scaled_to_a_mean_over_the_part_that_is_drawn(write: Write) -> None:
    trace = read_trace(write("rates.csv", RATES), Draw(requests_per_s=5.0, start_s=100.0))
    assert trace.span_s == 200.0
    assert trace.requests_per_s == pytest.approx(5.0, rel=0.15)
    assert trace.arrival_s[0] >= 100.0


def test_drawn_lengths_are_whole_requests_of_the_given_trace(write: Write) -> None:
    lengths = read_trace(write("mine.csv", PLAIN))
    trace = read_trace(write("rates.csv", RATES), Draw(lengths=lengths))
    pairs = set(zip(trace.prompt_tokens.tolist(), trace.output_tokens.tolist(), strict=True))
    assert pairs == {(100, 10), (200, 1), (300, 30)}


def test_lengths_that_nobody_gave_are_those_of_a_chat(write: Write) -> None:
    trace = read_trace(write("rates.csv", "window_start_s,requests_per_s\n0,100\n100,100\n"))
    assert np.median(trace.prompt_tokens) == pytest.approx(1020, rel=0.05)
    assert np.mean(trace.output_tokens) == pytest.approx(211, rel=0.1)


def test_the_gaps_of_drawn_requests_have_the_dispersion_that_was_asked_for(write: Write) -> None:
    path = write("rates.csv", "window_start_s,requests_per_s\n0,100\n100,100\n")
    gaps = np.diff(read_trace(path, Draw(cv=3.0)).arrival_s)
    assert gaps.std() / gaps.mean() == pytest.approx(3.0, rel=0.15)


def client(folder: Path, number: int, windows: str, dataset: str | None) -> None:
    (folder / f"chunk-{number}-trace.csv").write_text(windows)
    if dataset is not None:
        (folder / f"chunk-{number}-dataset.json").write_text(dataset)


def lengths(prompt: str, output: str) -> str:
    empty = {"input_tokens": "{}", "output_tokens": "{}"}
    return json.dumps({"0": empty, "600": {"input_tokens": prompt, "output_tokens": output}})


def test_a_servegen_folder_is_the_sum_of_its_clients(tmp_path: Path) -> None:
    client(tmp_path, 0, "0,1,1.1,Gamma,0.8,1.2\n600,0,0,,0,0\n", lengths("{100: 0.5, 101: 0.5}", "{7: 1.0}"))
    client(tmp_path, 1, "0,0,0,,0,0\n600,2,9.0,Weibull,0.4,0.1\n", lengths("{900: 1.0}", "{0: 0.5, 3: 0.5}"))
    trace = read_trace(tmp_path)
    assert trace.span_s == 1200.0
    assert len(trace) == pytest.approx(600 + 1200, abs=2)
    assert set(trace.prompt_tokens[trace.arrival_s < 600].tolist()) == {100, 101}
    assert set(trace.output_tokens[trace.arrival_s >= 600].tolist()) == {1, 3}
    assert trace.notes == ()


def test_a_client_that_cannot_be_read_is_skipped_and_counted(tmp_path: Path) -> None:
    client(tmp_path, 0, "0,1,1,Gamma,1,1\n600,1,1,Gamma,1,1\n", lengths("{100: 1.0}", "{7: 1.0}"))
    client(tmp_path, 1, "0,3,1,Gamma,1,1\n600,3,1,Gamma,1,1\n", None)
    trace = read_trace(tmp_path)
    assert len(trace) == 1200
    assert "1 of 2 clients skipped, with 75% of all requests" in trace.notes[0]
    assert "chunk-1-dataset.json is missing" in trace.notes[0]


def test_given_lengths_keep_the_clients_that_have_none(tmp_path: Path, write: Write) -> None:
    client(tmp_path, 1, "0,3,1,Gamma,1,1\n600,3,1,Gamma,1,1\n", None)
    trace = read_trace(tmp_path, Draw(lengths=read_trace(write("mine.csv", PLAIN)), requests_per_s=1.5))
    assert len(trace) == 1800
    assert set(trace.prompt_tokens.tolist()) == {100, 200, 300}


def test_the_azure_traces_have_their_published_numbers(shared_data: Path) -> None:
    conv, code = (read_trace(shared_data / "traces" / f"azure_2023_{name}.csv") for name in ("conv", "code"))
    assert (len(conv), len(code)) == (19_366, 8_819)
    assert conv.prompt_tokens.mean() == pytest.approx(1155, abs=1)
    assert code.output_tokens.mean() == pytest.approx(28, abs=0.5)
    assert conv.requests_per_s == pytest.approx(5.53, abs=0.01)


def test_a_day_of_single_requests_is_read_whole(shared_data: Path) -> None:
    trace = read_trace(shared_data / "traces/servegen_m-large_day08_20rps.csv.gz")
    assert len(trace) == 1_739_542
    assert trace.span_s == pytest.approx(86_400, abs=1)
