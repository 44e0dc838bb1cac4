import re

from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.preprocess.words import ngrams, words

TEXTS = st.lists(st.text(st.sampled_from("aAbB_9é漢字 .,\n\t-’")), max_size=6)


def spelled(text: str) -> list[str]:
    return re.findall(r"\w+", re.sub("([漢字])", r" \1 ", text.casefold()))


@given(TEXTS)
def test_each_document_has_its_words(texts: list[str]) -> None:
    found = words(texts)
    assert found.counts.tolist() == [len(spelled(text)) for text in texts]


@given(TEXTS)
def test_words_have_one_hash_exactly_where_they_are_equal(texts: list[str]) -> None:
    flat = [word for text in texts for word in spelled(text)]
    hashes = words(texts).hashes.tolist()
    assert len(set(hashes)) == len(set(flat)) == len(set(zip(flat, hashes, strict=True)))


@given(TEXTS, st.integers(1, 4))
def test_a_run_of_words_lies_within_one_document(texts: list[str], n: int) -> None:
    runs = [[tuple(spelled(text)[start : start + n]) for start in range(len(spelled(text)) - n + 1)] for text in texts]
    found = ngrams(words(texts), n)
    assert found.counts.tolist() == [len(of_one) for of_one in runs]
    flat = [run for of_one in runs for run in of_one]
    assert len(set(found.hashes.tolist())) == len(set(flat)) == len(set(zip(flat, found.hashes.tolist(), strict=True)))


def test_hashes_are_the_same_in_every_process_and_version() -> None:
    assert ngrams(words(["Ray tide"]), 2).hashes.tolist() == [0x512EF627E8A51CD1]
