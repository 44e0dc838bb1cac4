from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from raytide.autoscaling.missing import Missing
from raytide.autoscaling.simulate.baselines.inferline import InferLine, envelope_rps, recent_rps, settings

# A replica serves 245.45/(200·102.94 ms) = 11.92 requests/s within 100 ms per token (13.5 ms + n·0.3644 ms with the
# cache's n = 245.45), so 10.13 at ρ = 0.85.


def test_the_envelope_is_the_steepest_of_its_windows() -> None:
    counts = np.array([0] * 56 + [2, 2, 12, 12])
    # 24 in 2 s, 28 in 4 s, 28 in 8 s, …
    assert envelope_rps(counts, 2.0) == 12.0
    assert envelope_rps(counts, 4.0) == 7.0
    assert envelope_rps(counts, 8.0) == 3.5
    # After a burst the longer windows still hold it.
    assert envelope_rps(np.array([64] * 8 + [0] * 8), 4.0) == 32.0
    # A window longer than what was seen divides by its own length.
    assert envelope_rps(np.array([12, 12]), 8.0) == 3.0


def test_what_is_recent_is_the_greatest_of_six_windows() -> None:
    counts = np.array([99] * 30 + [1] * 20 + [4] * 5 + [2] * 5)
    assert recent_rps(counts) == 4.0
    assert recent_rps(np.array([], dtype=np.int64)) == 0.0


@pytest.mark.parametrize(("utilisation", "target"), [(1.0, 6), (0.85, 6), (0.7, 8), (0.55, 10)])
def test_goes_up_to_the_envelope_at_once(
    utilisation: float, target: int, loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    # The cache holds 245.45 sequences, so an iteration takes 13.5 + 245.45·0.3644 = 102.9 ms, above the bound: the
    # bound's n = 86.5/0.3644 = 237.4 remains, and 237.4/(200·100 ms) = 11.87 requests/s. ⌈60/11.87/ρ⌉
    policy = loop(InferLine(utilisation=utilisation))
    assert policy.target(seen(ready=2, demand=demand(arrivals=3600, span_s=60.0))) == target


def test_goes_down_to_what_is_recent_after_fifteen_seconds(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy, wanted, targets = loop(InferLine()), 2, []
    for tick in range(30):
        traffic = demand(arrivals=300 if tick < 12 else 100, span_s=5.0)
        wanted = policy.target(seen(at_s=5.0 * tick, ready=wanted, demand=traffic))
        targets.append(wanted)
    # 60/s need ⌈60/10.09⌉ = 6, and 20/s need 2. The longest window, T_s·2^k of at most a minute, forgets last.
    assert targets[11] == 6
    assert targets[-1] == 2
    assert targets[11:] == sorted(targets[11:], reverse=True)


def test_a_change_starts_the_fifteen_seconds_again(
    loop: Callable[..., Any], seen: Callable[..., Any], demand: Callable[..., Any]
) -> None:
    policy = loop(InferLine())
    assert policy.target(seen(at_s=0.0, ready=1, demand=demand(arrivals=1200, span_s=60.0))) == 2
    quiet = demand(span_s=60.0)
    assert policy.target(seen(at_s=10.0, ready=2, demand=quiet)) == 2
    assert policy.target(seen(at_s=15.0, ready=2, demand=quiet)) == 1


def test_holds_without_metrics(loop: Callable[..., Any], seen: Callable[..., Any]) -> None:
    assert loop(InferLine()).target(seen(ready=5, demand=Missing(reason="scrape failed"))) == 5


def test_twelve_settings_begin_with_the_default() -> None:
    assert len(set(settings())) == 12
    assert settings()[0] == InferLine()
