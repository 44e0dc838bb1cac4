import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.preprocess.clean import Dropped
from raytide.jobs.preprocess.quality import judged
from raytide.jobs.preprocess.quality.c4 import kept_lines
from raytide.jobs.preprocess.quality.gopher import repeated_chars, repeated_ngrams, top_ngram
from raytide.jobs.preprocess.quality.rule import Text

PROSE = """The tide rises twice a day and the boats that lie in the harbour rise with it, slowly and without a sound.
People who have lived there for long know when it turns, and they do not need to look at the clock to be sure.
In winter the water comes higher, because storms push it into the bay, and some cellars have to be pumped dry.
Nobody complains much about that. They say it was always so, and that those who wanted dry cellars moved uphill.
"""


@pytest.mark.parametrize("rules", [("gopher-quality",), ("gopher-repetition",), ("c4",)])
def test_prose_passes_every_set_of_rules(rules: tuple[str, ...]) -> None:
    assert judged(PROSE, rules) == PROSE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The tide and the boats have to wait.\n", "gopher-quality:too_few_words"),
        ("of to " * 100, "gopher-quality:short_words"),
        ("the of " + "counterrevolutionary " * 60, "gopher-quality:long_words"),
        (PROSE.replace(" and ", " # # # # and ").replace(" the ", " # # the "), "gopher-quality:hash_signs"),
        (PROSE.replace(" ", "... "), "gopher-quality:ellipses"),
        ("- " + PROSE.replace("\n", "\n- ").removesuffix("- "), "gopher-quality:bullet_lines"),
        (PROSE.replace(".\n", "...\n"), "gopher-quality:ellipsis_lines"),
        (PROSE + "12345 " * 60, "gopher-quality:words_without_letters"),
        ("weather reports mention storms rarely " * 15, "gopher-quality:few_stop_words"),
        ("a line that is there again\n" * 9 + PROSE, "gopher-repetition:repeated_lines"),
        ("again and " * 40 + PROSE.replace("\n", " "), "gopher-repetition:top_2_gram"),
        ("a page with { of code\n" + PROSE, "c4:curly_bracket"),
        (PROSE + "Lorem ipsum dolor sit amet.\n", "c4:lorem_ipsum"),
        ("One sentence is not enough.\n", "c4:too_few_sentences"),
    ],
)
def test_a_broken_rule_is_named_with_what_was_measured(text: str, reason: str) -> None:
    with pytest.raises(Dropped) as dropped:
        judged(text, (reason.split(":")[0],))  # type: ignore[arg-type]
    assert (dropped.value.step, dropped.value.reason) == ("quality", reason)
    assert dropped.value.detail


def test_of_a_page_the_lines_stay_that_are_sentences() -> None:
    page = "Home | About\nThe tide rises.[3]\nToo short.\nPlease enable JavaScript to go on.\nIt never ends...\n"
    assert kept_lines(page) == "The tide rises.\n"


WORDS = st.lists(st.sampled_from(["a", "bb", "ccc", "dddd"]), min_size=1, max_size=40)


@given(WORDS, st.integers(2, 5))
def test_repeated_runs_are_counted_as_a_reader_would(words: list[str], n: int) -> None:
    seen, repeated, at = set(), 0, 0
    while at + n <= len(words):
        run = tuple(words[at : at + n])
        if run in seen:
            repeated += sum(map(len, run))
            at += n
        else:
            seen.add(run)
            at += 1
    text = Text(" ".join(words))
    assert repeated_ngrams(n)(text) == pytest.approx(repeated / len(text.text))


@given(WORDS, st.integers(2, 4))
def test_the_most_frequent_run_is_measured_in_characters(words: list[str], n: int) -> None:
    runs = [" ".join(words[at : at + n]) for at in range(len(words) - n + 1)]
    text = Text(" ".join(words))
    most = max(map(runs.count, runs), default=0)
    possible = {most * len(run) / len(text.text) for run in runs if runs.count(run) == most} or {0.0}
    assert any(top_ngram(n)(text) == pytest.approx(share) for share in possible)


def test_characters_of_repeated_pieces_are_counted_from_the_second_on() -> None:
    assert repeated_chars(["abc", "d", "abc", "abc"], 100) == pytest.approx(0.06)
    assert repeated_chars(["abc", "d"], 100) == 0
