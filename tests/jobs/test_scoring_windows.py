import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.evaluate.score import windows


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
