from __future__ import annotations

from raytide.autoscaling.performance.slowness import Slowness


def seen(surprises: list[float]) -> Slowness:
    found = Slowness()
    for at_s, surprise in enumerate(surprises):
        found = found.after(surprise, float(at_s))
    return found


def test_a_replica_is_slow_after_a_minute_of_slow_samples() -> None:
    assert seen([5.0] * 61).is_slow(60.0)
    assert not seen([5.0] * 60).is_slow(59.0)


def test_one_sample_as_expected_starts_the_minute_again() -> None:
    assert not seen([5.0] * 40 + [1.0] + [5.0] * 40).is_slow(80.0)


def test_a_faster_replica_is_not_slow() -> None:
    assert not seen([-9.0] * 100).is_slow(99.0)
