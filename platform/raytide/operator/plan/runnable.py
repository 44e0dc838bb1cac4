"""What a service may declare and `apply` cannot run; the simulator runs all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raytide.core.errors import SpecError
from raytide.core.spec import Service
from raytide.core.spec.mark import KeyPath, Mark


def require_runnable(service: Service, mark: Callable[[KeyPath], Mark]) -> None:
    """Returns where `apply` can run the service; `mark` is where a key of it stands.

    Raises:
        SpecError: an emulated engine of unknown speed.
    """
    findings = tuple(mark(path).finding(problem, path) for path, problem in _beyond(service))
    if findings:
        raise SpecError(findings)


def nowhere(service: Service) -> Callable[[KeyPath], Mark]:
    """Marks for a service that was not read from a file: its name alone."""
    return lambda _: Mark(f"service {service.metadata.name}")


def _beyond(service: Service) -> Iterator[tuple[KeyPath, str]]:
    for index, hardware in enumerate(service.spec.hardware):
        if service.spec.engine.kind == "emulated" and hardware.performance is None:
            yield (
                ("spec", "hardware", index),
                "nothing that an emulated engine could be as fast as: add "
                "`performance: {iteration: …, kv_capacity_tokens: …}`",
            )
