from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raytide.autoscaling.observation import VariantView
from raytide.autoscaling.simulate.baselines.ray_serve import RayServe
from raytide.autoscaling.simulate.baselines.serve_delay import Delays, Since

FOUR = VariantView(name="v", num_ready=4, target=4)
ONE = VariantView(name="v", num_ready=1, target=1)


def test_ongoing_requests_ask_for_more_after_thirty_seconds(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    serve = loop(RayServe())
    for at_s in range(30):
        assert serve.target(seen(at_s=float(at_s), ready=3, running=14, waiting=6)) == 3
    assert serve.target(seen(at_s=30.0, ready=3, running=14, waiting=6)) == 10  # 20/2


def test_a_break_in_the_wish_for_more_starts_the_delay_anew(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    serve = loop(RayServe(look_back_s=1.0))
    assert serve.target(seen(at_s=0.0, ready=3, running=20)) == 3
    assert serve.target(seen(at_s=20.0, ready=3, running=6)) == 3
    assert serve.target(seen(at_s=31.0, ready=3, running=20)) == 3
    assert serve.target(seen(at_s=61.0, ready=3, running=20)) == 10


def test_fewer_are_wanted_for_ten_minutes_first(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    serve = loop(RayServe(look_back_s=1.0))
    assert serve.target(seen(at_s=0.0, ready=8, running=5)) == 8
    assert serve.target(seen(at_s=599.0, ready=8, running=5)) == 8
    assert serve.target(seen(at_s=600.0, ready=8, running=5)) == 3  # ⌈5/2⌉


def test_the_look_back_is_a_mean_of_thirty_seconds(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    serve = loop(RayServe())
    serve.target(seen(at_s=0.0, ready=3, running=6))
    facts = serve.see(seen(at_s=15.0, ready=3, running=12)).variants[0].binding.facts
    assert (facts["ongoing"], facts["desired"]) == (9.0, 4.5)


def test_a_service_at_zero_wakes_with_one_replica_at_once(seen: Callable[..., Any], loop: Callable[..., Any]) -> None:
    serve = loop(RayServe(), min_replicas=0)
    assert serve.target(seen(at_s=0.0, ready=0)) == 0
    assert serve.target(seen(at_s=1.0, ready=0, num_queued=100)) == 1  # ⌈upscaling factor⌉


def test_zero_is_reached_only_from_one() -> None:
    delays = Delays(down_s=0.0)
    assert delays.apply(FOUR, 0.0, None, 0.0)[0] == 1
    assert delays.apply(ONE, 0.0, None, 0.0)[0] == 0


def test_a_factor_scales_the_difference_and_always_moves() -> None:
    half = Delays(up_s=0.0, down_s=0.0, up_factor=0.5, down_factor=0.5)
    assert half.apply(FOUR, 9.0, None, 0.0)[0] == 7  # ⌈4 + 0.5·5⌉
    assert half.apply(FOUR, 3.0, None, 0.0)[0] == 3  # ⌈4 − 0.5⌉ = 4 would be stuck


def test_a_wish_the_other_way_starts_its_own_delay() -> None:
    up = Since(upwards=True, at_s=0.0)
    assert Delays().apply(FOUR, 2.0, up, 29.0) == (4, Since(upwards=False, at_s=29.0))
