"""What a service may declare and `apply` does not run yet; the simulator runs all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from raytide.core.errors import SpecError
from raytide.core.spec import Service
from raytide.core.spec.mark import KeyPath, Mark


def require_runnable(service: Service, mark: Callable[[KeyPath], Mark]) -> None:
    """Returns where `apply` can run the service; `mark` is where a key of it stands.

    Raises:
        SpecError: several hardware entries, a minimum of no replicas, or traffic classes.
    """
    findings = tuple(mark(path).finding(problem, path) for path, problem in _beyond(service))
    if findings:
        raise SpecError(findings)


def nowhere(service: Service) -> Callable[[KeyPath], Mark]:
    """Marks for a service that was not read from a file: its name alone."""
    return lambda _: Mark(f"service {service.metadata.name}")


def _beyond(service: Service) -> Iterator[tuple[KeyPath, str]]:
    num_entries = len(service.spec.hardware)
    if num_entries > 1:
        yield (
            ("spec", "hardware"),
            f"{num_entries} hardware entries, and apply runs exactly one in this version: keep one of them, or let "
            "`raytide simulate` and `whatif` mix them",
        )
    if service.spec.scaling.min_replicas == 0:
        yield (
            ("spec", "scaling", "min_replicas"),
            "0, and apply keeps at least one replica in this version: write 1 or more, or let `raytide simulate` and "
            "`whatif` stop the last one",
        )
    if service.spec.traffic is not None:
        yield (
            ("spec", "traffic"),
            "traffic classes, and apply turns nobody away in this version: remove them, or let `raytide simulate` and "
            "`compare` act on them",
        )
