import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.evaluate.score import TOKENS_PER_BATCH, batches, windows


@given(st.integers(0, 100), st.integers(1, 20))
def test_every_token_but_the_first_is_predicted_once(num_tokens: int, length: int) -> None:
    stream = np.arange(num_tokens)
    targets = [token for _, targets in windows(stream, length) for token in targets.tolist()]
    assert targets == list(range(1, num_tokens))


@given(st.integers(0, 100), st.integers(1, 20))
def test_each_target_follows_its_input_and_no_window_is_too_long(num_tokens: int, length: int) -> None:
    for inputs, targets in windows(np.arange(num_tokens), length):
        assert (inputs + 1 == targets).all()
        assert len(inputs) <= length


@pytest.mark.parametrize("length", [3, 256, TOKENS_PER_BATCH // 2 - 1, 10 * TOKENS_PER_BATCH])
def test_a_batch_holds_few_tokens_or_one_window_so_that_its_logits_fit_into_memory(length: int) -> None:
    stream = np.arange(5 * max(length, TOKENS_PER_BATCH) + 7)
    found = list(batches(windows(stream, length)))
    assert all(inputs.size <= TOKENS_PER_BATCH or len(inputs) == 1 for inputs, _ in found)
    assert np.concatenate([targets.reshape(-1) for _, targets in found]).tolist() == stream[1:].tolist()
    assert len(found) <= len(stream) // min(length, TOKENS_PER_BATCH) + 2
