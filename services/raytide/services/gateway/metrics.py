"""What the gateway counts, for Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SHORT: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1)


class Metrics:
    """Of one gateway; names begin with `raytide_gateway_`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        registry, prefix = self._registry, "raytide_gateway_"
        self.ended = Counter(f"{prefix}requests", "Requests that ended", ("service", "outcome"), registry=registry)
        self.refused = Counter(f"{prefix}refusals", "Answers of the gateway itself", ("code",), registry=registry)
        self.retried = Counter(f"{prefix}retries", "Tries at another replica", ("service",), registry=registry)
        self.tokens = Counter(f"{prefix}tokens", "Tokens of ended requests", ("service", "kind"), registry=registry)
        self.charged = Counter(f"{prefix}charged_usd", "Billed", ("service",), registry=registry)
        self.under_way = Gauge(f"{prefix}requests_under_way", "Sent to a replica", ("service",), registry=registry)
        self.held = Gauge(f"{prefix}requests_held", "Waiting for a replica", ("service",), registry=registry)
        self.first_byte = Histogram(
            f"{prefix}first_byte_seconds", "Until an answer begins", ("service",), buckets=_SECONDS, registry=registry
        )
        self.ledger = Histogram(
            f"{prefix}ledger_seconds", "Until the ledger lets a request in", buckets=_SHORT, registry=registry
        )

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
