from __future__ import annotations

from collections.abc import Callable
from typing import Any

Here = Callable[..., Any]


def test_an_unknown_fault_is_refused_with_the_nearest_one(here: Here) -> None:
    ran = here("drill", "kill-replcia", "chat")
    assert ran.exit_code == 2
    assert "did you mean 'kill-replica'?" in ran.err
