import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.preprocess.clean import MAX_LINE_CHARS, Dropped, check, clean


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_cleaning_clean_text_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(st.lists(st.text(st.sampled_from("ab é\t\x0b\x00\ufeff\u0301"))))
def test_line_ends_blanks_and_invisible_characters_are_normalised(lines: list[str]) -> None:
    cleaned = clean("\r\n".join(lines))
    assert not set(cleaned) & set("\r\x00\x0b\ufeff")
    assert all(line == line.rstrip() for line in cleaned.split("\n"))
    assert cleaned == "" or (cleaned.endswith("\n") and not cleaned.startswith("\n"))


def test_equal_looking_characters_become_equal() -> None:
    assert clean("caf\u0065\u0301") == clean("caf\u00e9")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("x = 1\n", "too_short"), ("x" * (MAX_LINE_CHARS + 1), "long_lines")],
)
def test_a_dropped_file_says_why(text: str, reason: str) -> None:
    with pytest.raises(Dropped, match=reason):
        check(clean(text), min_chars=64)


def test_ordinary_text_is_kept() -> None:
    check(clean("def add(a, b):\n    return a + b\n" * 3), min_chars=64)
