from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.preprocess.pack import pack

documents = st.lists(st.lists(st.integers(0, 4095), max_size=40))


@given(documents, st.integers(1, 16))
def test_every_token_is_packed_once_and_in_order(tokens: list[list[int]], length: int) -> None:
    stream = [token for document in tokens for token in document]
    packed = [token for sequence in pack(tokens, length) for token in sequence]
    assert packed == stream[: len(stream) - len(stream) % length]


@given(documents, st.integers(1, 16))
def test_sequences_are_full(tokens: list[list[int]], length: int) -> None:
    assert all(len(sequence) == length for sequence in pack(tokens, length))
