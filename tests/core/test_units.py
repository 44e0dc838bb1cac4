from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.core.units import (
    format_bytes,
    format_duration,
    parse_bytes,
    parse_count,
    parse_duration_s,
    parse_fraction,
    parse_usd_per_hour,
    parse_usd_per_million_tokens,
)

PARSERS = [parse_bytes, parse_count, parse_duration_s, parse_fraction, parse_usd_per_hour]


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (parse_duration_s, "500ms", 0.5),
        (parse_duration_s, "1.5h", 5400.0),
        (parse_duration_s, "0s", 0.0),
        (parse_duration_s, "79ns", 7.9e-8),
        (parse_duration_s, "7.90e-5ms", 7.9e-8),
        (parse_duration_s, "1e2s", 100.0),
        (parse_bytes, "16GiB", 16 * 2**30),
        (parse_bytes, "1.5kB", 1500),
        (parse_fraction, "99%", 0.99),
        (parse_fraction, "100.0%", 1.0),
        (parse_fraction, 0.25, 0.25),
        (parse_fraction, 1, 1.0),
        (parse_usd_per_hour, "$0.10/h", 0.1),
        (parse_usd_per_million_tokens, "$0.15/Mtok", 0.15),
        (parse_count, "1.5M", 1_500_000),
        (parse_count, 600, 600),
    ],
)
def test_a_quantity_is_read(parse: Callable[[object], float], text: object, value: float) -> None:
    assert parse(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_duration_s, 500),
        (parse_duration_s, "500"),
        (parse_duration_s, "-1s"),
        (parse_duration_s, "1e400s"),
        (parse_duration_s, "e5s"),
        (parse_duration_s, "500ms\n"),
        (parse_duration_s, "٥s"),
        (parse_duration_s, None),
        (parse_bytes, "16 GiB"),
        (parse_bytes, "16gib"),
        (parse_bytes, "9" * 400 + "TiB"),
        (parse_fraction, "101%"),
        (parse_fraction, 1.01),
        (parse_fraction, True),
        (parse_fraction, float("nan")),
        (parse_fraction, 10**400),
        (parse_usd_per_hour, "2.5"),
        (parse_usd_per_million_tokens, "$2.5"),
        (parse_count, "0.5"),
        (parse_count, "1.0001k"),
        (parse_count, -1),
    ],
)
def test_what_is_no_quantity_is_refused_with_an_example(parse: Callable[[object], float], text: object) -> None:
    with pytest.raises(ValueError, match="such as"):
        parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0005, "0.5ms"), (0.9996, "1000ms"), (1.5, "1.5s"), (90, "90s"), (600, "10m"), (12345.6, "12346s")],
)
def test_a_duration_is_written_without_exponents(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [(0, "0B"), (1023, "1023B"), (3 * 2**29, "1.5GiB"), (8_000_000, "8MB"), (123_456_789, "117.7MiB")],
)
def test_a_size_is_written_exactly_where_a_unit_allows_it(num_bytes: int, text: str) -> None:
    assert format_bytes(num_bytes) == text


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_a_written_duration_reads_back_within_half_a_percent(seconds: float) -> None:
    assert parse_duration_s(format_duration(seconds)) == pytest.approx(seconds, rel=0.005)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_written_size_reads_back_within_a_tenth_of_a_percent(num_bytes: int) -> None:
    assert parse_bytes(format_bytes(num_bytes)) == pytest.approx(num_bytes, rel=0.001)


@given(st.integers(min_value=0, max_value=9999), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_writing_settles_after_one_round(number: int, unit: str) -> None:
    written = format_duration(parse_duration_s(f"{number}{unit}"))
    assert format_duration(parse_duration_s(written)) == written


@given(
    st.sampled_from(PARSERS),
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())),
)
def test_a_parser_returns_a_number_or_raises_value_error(parse: Callable[[object], float], value: object) -> None:
    try:
        number = parse(value)
    except ValueError:
        return
    assert number >= 0
