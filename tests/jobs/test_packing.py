from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.preprocess.pack import pack

documents = st.lists(st.lists(st.integers(0, 4095), max_size=40))


@given(documents, st.integers(1, 16))
def test_every_token_is_packed_once_and_in_order(tokens: list[list[int]], length: int) -> None:
    stream = [token for document in tokens for token in document]
    packed = [token for sequence in pack(tokens, length) for token in sequence.tokens]
    assert packed == stream[: len(stream) - len(stream) % length]


@given(documents, st.integers(1, 16))
def test_sequences_are_full(tokens: list[list[int]], length: int) -> None:
    assert all(len(sequence.tokens) == length for sequence in pack(tokens, length))


@given(documents, st.integers(1, 16))
def test_the_starts_are_where_documents_begin(tokens: list[list[int]], length: int) -> None:
    sequences = list(pack(tokens, length))
    found = [number * length + start for number, sequence in enumerate(sequences) for start in sequence.starts]
    lengths = [len(document) for document in tokens]
    begins = [sum(lengths[:number]) for number, size in enumerate(lengths) if size]
    assert found == [begin for begin in begins if begin < len(sequences) * length]
