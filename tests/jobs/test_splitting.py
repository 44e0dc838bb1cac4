from raytide.jobs.preprocess.split import HELD_OUT, place

corpus = [f"document {number}" for number in range(2000)]


def test_equal_documents_meet_in_one_shard() -> None:
    assert place("same", seed=1, held_out=0.5, shards=8) == place("same", seed=1, held_out=0.5, shards=8)


def test_the_held_out_share_is_about_what_was_asked() -> None:
    held_out = sum(place(text, seed=0, held_out=0.05, shards=4).shard == HELD_OUT for text in corpus)
    assert 70 <= held_out <= 130


def test_more_shards_move_no_document_across_the_split() -> None:
    for text in corpus:
        few, many = (place(text, seed=0, held_out=0.3, shards=shards) for shards in (2, 9))
        assert (few.shard == HELD_OUT) == (many.shard == HELD_OUT)


def test_nothing_is_held_out_of_a_zero_share_and_all_of_a_full_one() -> None:
    assert all(place(text, seed=0, held_out=0.0, shards=2).shard != HELD_OUT for text in corpus)
    assert all(place(text, seed=0, held_out=1.0, shards=2).shard == HELD_OUT for text in corpus)
