from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.train.batches import batch_indices


def indices(num_sequences: int, step: int, rank: int, workers: int, batch: int, seed: int = 0) -> list[int]:
    chosen = batch_indices(num_sequences, seed=seed, step=step, rank=rank, workers=workers, batch=batch)
    return [int(index) for index in chosen]


@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_an_epoch_shows_each_sequence_once(num_sequences: int, workers: int, batch: int, seed: int) -> None:
    steps = -(-num_sequences // (workers * batch))
    seen = [
        index
        for step in range(steps)
        for rank in range(workers)
        for index in indices(num_sequences, step, rank, workers, batch, seed)
    ]
    assert sorted(seen[:num_sequences]) == list(range(num_sequences))


def test_a_batch_does_not_depend_on_the_batches_before() -> None:
    in_order = [indices(100, step, 1, 2, 8) for step in range(20)]
    assert indices(100, 13, 1, 2, 8) == in_order[13]


def test_seeds_give_different_orders() -> None:
    assert indices(100, 0, 0, 1, 50, seed=1) != indices(100, 0, 0, 1, 50, seed=2)


def test_epochs_give_different_orders() -> None:
    assert indices(50, 0, 0, 1, 50) != indices(50, 1, 0, 1, 50)
