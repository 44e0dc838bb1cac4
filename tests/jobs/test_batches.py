from hypothesis import given
from hypothesis import strategies as st

from raytide.jobs.train.batches import Batching


def cut(num_sequences: int, micro_batches: int, micro_batch: int, seed: int = 0) -> Batching:
    return Batching(num_sequences=num_sequences, seed=seed, micro_batches=micro_batches, micro_batch=micro_batch)


def counted(batching: Batching, position: int, workers: int) -> list[int]:
    """What all workers together train on, in no order."""
    shares = [batching.share(position, rank=rank, workers=workers) for rank in range(workers)]
    return sorted(int(at) for share in shares for micro in share if micro.counts for at in micro.indices)


@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 5), st.integers(0, 9))
def test_an_epoch_shows_each_sequence_once(num_sequences: int, micro_batches: int, micro_batch: int, seed: int) -> None:
    batching = cut(num_sequences, micro_batches, micro_batch, seed)
    batches = -(-num_sequences // (micro_batches * micro_batch))
    seen = [int(at) for position in range(batches) for at in batching.batch(position)]
    assert sorted(seen[:num_sequences]) == list(range(num_sequences))


@given(st.integers(1, 50), st.integers(1, 8), st.integers(1, 5), st.integers(0, 20), st.integers(1, 8))
def test_a_batch_is_the_same_however_many_workers_share_it(
    num_sequences: int, micro_batches: int, micro_batch: int, position: int, workers: int
) -> None:
    batching = cut(num_sequences, micro_batches, micro_batch)
    assert counted(batching, position, workers) == sorted(batching.batch(position).tolist())


@given(st.integers(1, 8), st.integers(1, 8))
def test_workers_make_equally_many_passes(micro_batches: int, workers: int) -> None:
    batching = cut(10, micro_batches, 2)
    passes = {len(batching.share(3, rank=rank, workers=workers)) for rank in range(workers)}
    assert passes == {-(-micro_batches // workers)}


@given(st.integers(1, 8), st.integers(1, 4))
def test_a_micro_batch_has_one_number_in_the_whole_run(micro_batches: int, workers: int) -> None:
    batching = cut(10, micro_batches, 2)
    numbers = [
        micro.number
        for position in range(3)
        for rank in range(workers)
        for micro in batching.share(position, rank=rank, workers=workers)
        if micro.counts
    ]
    assert sorted(numbers) == list(range(3 * micro_batches))


def test_a_batch_does_not_depend_on_the_batches_before() -> None:
    in_order = [cut(100, 2, 8).batch(position).tolist() for position in range(20)]
    assert cut(100, 2, 8).batch(13).tolist() == in_order[13]


def test_seeds_give_different_orders() -> None:
    assert cut(100, 1, 50, seed=1).batch(0).tolist() != cut(100, 1, 50, seed=2).batch(0).tolist()


def test_epochs_give_different_orders() -> None:
    assert cut(50, 1, 50).batch(0).tolist() != cut(50, 1, 50).batch(1).tolist()
