"""From a declared service to the terms of the simulator, or every reason why it cannot run as declared."""

from __future__ import annotations

from collections.abc import Callable

from raytide.autoscaling import declared
from raytide.autoscaling.missing import Missing as Unpriced
from raytide.autoscaling.simulate.engines import engine_of
from raytide.autoscaling.terms import Terms, Variant
from raytide.core.catalog import Catalog, CatalogError, Missing
from raytide.core.errors import Finding, SpecError
from raytide.core.spec.mark import KeyPath, Mark
from raytide.core.spec.service import Hardware, Service

Marks = Callable[[KeyPath], Mark]


def terms_of(service: Service, catalog: Catalog, mark: Marks | None = None) -> Terms:
    """The terms with one variant for each hardware entry; `mark` is where a key of the service stands.

    Raises:
        SpecError: no performance data, no price, a model that does not fit, or a budget below what must run.
    """
    mark = mark or (lambda _: Mark(f"service {service.metadata.name}"))
    entries = [_entry(service, index, catalog, mark) for index in range(len(service.spec.hardware))]
    findings = tuple(entry for entry in entries if isinstance(entry, Finding))
    variants = tuple(entry for entry in entries if isinstance(entry, Variant))
    findings = findings or tuple(_over_budget(service, variants, mark))
    if findings:
        raise SpecError(findings)
    return declared.terms_of(service, variants)


def variant_name(hardware: Hardware) -> str:
    """`2xH100`, `1xL4-spot`, `2x8xH100` of two stages: unique among the entries of a service."""
    stages = f"{hardware.pipeline_parallel}x" if hardware.pipeline_parallel > 1 else ""
    market = f"-{hardware.market}" if hardware.market else ""
    return f"{stages}{hardware.tensor_parallel}x{hardware.accelerator}{market}"


def _entry(service: Service, index: int, catalog: Catalog, mark: Marks) -> Variant | Finding:
    hardware, path = service.spec.hardware[index], ("spec", "hardware", index)
    try:
        engine = engine_of(service, hardware, catalog)
    except CatalogError as error:
        return mark(path).finding(str(error), path)
    if isinstance(engine, Missing):
        expected = "performance: {iteration: …, kv_capacity_tokens: …}, or a model and an accelerator of the catalog"
        return mark(path).finding(f"no performance data: {engine.reason}", path, expected=expected)
    price = _usd_per_hour(hardware, catalog)
    if isinstance(price, Missing):
        return mark(path).finding(price.reason, path, expected="price: such as $2.5/h")
    return declared.variant_of(hardware, name=variant_name(hardware), engine=engine, usd_per_hour=price)


def _usd_per_hour(hardware: Hardware, catalog: Catalog) -> float | Missing:
    """Of one replica."""
    if hardware.price is not None:
        return hardware.price
    listed = catalog.price(hardware.accelerator, hardware.market or "on-demand")
    return listed if isinstance(listed, Missing) else listed.usd_per_hour * max(1, hardware.num_gpus)


def _over_budget(service: Service, variants: tuple[Variant, ...], mark: Marks) -> list[Finding]:
    """A budget that the replicas which must run exceed already, whatever the load."""
    budget, path = service.spec.budget, ("spec", "budget", "max_usd_per_hour")
    num = max(1, service.spec.scaling.min_replicas)
    least_usd = _least_usd_per_hour(variants, num)
    if budget is None or least_usd <= budget.max_usd_per_hour:
        return []
    which = f"{num} replicas" if num > 1 else "one replica"
    problem = f"the budget is below what {which} of the cheapest hardware cost{'s' if num == 1 else ''}"
    got, expected = f"${budget.max_usd_per_hour:g}/h", f"at least {least_usd:g}"
    return [mark(path).finding(problem, path, got=got, expected=expected)]


def _least_usd_per_hour(variants: tuple[Variant, ...], num: int) -> float:
    """The price of `num` replicas, the cheapest first as far as quotas go."""
    usd, left = 0.0, num
    for price, quota in sorted((_known(variant.usd_per_hour), variant.max_replicas or num) for variant in variants):
        taken = min(left, quota)
        usd, left = usd + taken * price, left - taken
    return usd


def _known(price: float | Unpriced) -> float:
    assert not isinstance(price, Unpriced), "an entry without a price is a finding"
    return price
