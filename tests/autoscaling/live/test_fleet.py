from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from raytide.autoscaling.live.fleet import Changes, Fleet, changes

FleetOf = Callable[..., Fleet]
IDS = st.sets(st.sampled_from("abcdefgh"))


def test_at_the_first_look_nothing_is_known_to_have_happened(fleet_of: FleetOf) -> None:
    assert changes(None, fleet_of("ab", c=90.0), 100.0) == Changes()


def test_a_start_took_from_its_order_to_the_look_that_found_it_ready(fleet_of: FleetOf) -> None:
    before, now = fleet_of("a", b=70.0, c=80.0, d=90.0), fleet_of("abc", d=90.0)
    assert changes(before, now, 100.0) == Changes(became_ready_after_s=(20.0, 30.0))


def test_a_replica_that_was_ready_before_did_not_start_again(fleet_of: FleetOf) -> None:
    assert changes(fleet_of("a"), fleet_of("ab"), 100.0) == Changes()


def test_a_start_that_ended_unready_has_failed_whether_it_is_stopping_or_gone(fleet_of: FleetOf) -> None:
    before = fleet_of("a", b=70.0, c=80.0)
    now = fleet_of("a", draining="b", d=99.0, e=99.0)
    assert changes(before, now, 100.0) == Changes(num_failed_starts=2)


def test_what_is_no_longer_wanted_has_not_failed(fleet_of: FleetOf) -> None:
    before = fleet_of("ab", c=90.0)
    assert changes(before, fleet_of("ab"), 100.0) == Changes()
    assert changes(before, fleet_of("a", draining="b"), 100.0) == Changes()
    assert changes(before, fleet_of("a", target=2), 100.0) == Changes(num_lost=1)


def test_a_replica_that_was_wanted_and_is_gone_is_lost(fleet_of: FleetOf) -> None:
    assert changes(fleet_of("ab"), fleet_of("a", target=2), 100.0) == Changes(num_lost=1)
    assert changes(fleet_of("ab"), fleet_of("a", draining="b", target=2), 100.0) == Changes(num_lost=1)


def test_every_replica_that_exists_holds_its_resources(fleet_of: FleetOf) -> None:
    assert fleet_of("ab", draining="d", c=90.0).num_holding == 4


@given(IDS, IDS, IDS, IDS, st.integers(0, 8), st.integers(0, 8))
def test_nothing_is_counted_twice(
    fleet_of: FleetOf, ready: set[str], starting: set[str], later: set[str], ordered: set[str], one: int, other: int
) -> None:
    before = fleet_of("".join(ready), target=one, **dict.fromkeys(starting - ready, 50.0))
    now = fleet_of("".join(later), target=other, **dict.fromkeys(ordered - later, 60.0))
    happened = changes(before, now, 100.0)
    ended = len((ready | starting) - later - ordered)
    assert len(happened.became_ready_after_s) == len((starting - ready) & later)
    assert max(0, ended - max(0, one - other)) <= happened.num_failed_starts + happened.num_lost <= ended
