"""What the gateway counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from raytide.services.ledger.usage import Outcome

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_PER_TOKEN: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1)
_SHORT: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfService:
    """What one service's requests are counted with; finding each of these by its labels takes 10 µs."""

    ended: Mapping[Outcome, Counter]
    prompt_tokens: Counter
    output_tokens: Counter
    charged_usd: Counter
    kept: Mapping[bool, Counter]
    under_way: Gauge
    first_byte: Histogram
    ttft: Histogram
    tpot: Histogram


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
        self.objectives = Counter(
            f"{prefix}objectives",
            "Requests by whether they kept their objectives",
            ("service", "kept"),
            registry=registry,
        )
        self.judged = Counter(f"{prefix}feedback", "Judgements of answers", ("service", "verdict"), registry=registry)
        self.unkept = Counter(
            f"{prefix}answers_unkept",
            "Answers of services with feedback that cannot be judged",
            ("service", "reason"),
            registry=registry,
        )
        self.under_way = Gauge(f"{prefix}requests_under_way", "Sent to a replica", ("service",), registry=registry)
        self.held = Gauge(f"{prefix}requests_held", "Waiting for a replica", ("service",), registry=registry)
        self.first_byte = Histogram(
            f"{prefix}first_byte_seconds", "Until an answer begins", ("service",), buckets=_SECONDS, registry=registry
        )
        self.ttft = Histogram(
            f"{prefix}time_to_first_token_seconds",
            "Of streams: from the request to its first token",
            ("service",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.tpot = Histogram(
            f"{prefix}time_per_output_token_seconds",
            "Of streams that ended well: from the first token to the last, by each token after the first",
            ("service",),
            buckets=_PER_TOKEN,
            registry=registry,
        )
        self.ledger = Histogram(
            f"{prefix}ledger_seconds", "Until the ledger lets a request in", buckets=_SHORT, registry=registry
        )

        self._of: dict[str, OfService] = {}

    def of(self, service: str) -> OfService:
        """What a request of this service is counted with on its way."""
        found = self._of.get(service)
        if found is None:
            found = self._of[service] = OfService(
                ended={outcome: self.ended.labels(service, outcome.value) for outcome in Outcome},
                prompt_tokens=self.tokens.labels(service, "prompt"),
                output_tokens=self.tokens.labels(service, "output"),
                charged_usd=self.charged.labels(service),
                kept={kept: self.objectives.labels(service, "yes" if kept else "no") for kept in (True, False)},
                under_way=self.under_way.labels(service),
                first_byte=self.first_byte.labels(service),
                ttft=self.ttft.labels(service),
                tpot=self.tpot.labels(service),
            )
        return found

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
