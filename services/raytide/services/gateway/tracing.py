"""A request as a span of OpenTelemetry: in the trace of its client, with what became of it, and on to its engine.

Where nothing collects spans, nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from raytide.services.gateway.stream import Usage

CONTEXT: Final = ("traceparent", "tracestate")
"""The headers of W3C's trace context."""
_NAME: Final = "raytide.gateway"


class Span(Protocol):
    """One request on its way."""

    @property
    def context(self) -> Mapping[str, str]:
        """The headers by which an engine's spans become its children."""

    def of(self, service: str, path: str, model: str | None) -> None:
        """It is for this."""

    def happened(self, name: str, **about: str) -> None:
        """A moment on its way, as `sent` with the replica."""

    def end(self, outcome: str, usage: Usage | None) -> None:
        """It has ended so, after so many tokens; only the first word counts."""


class Traces(Protocol):
    """Where spans come from."""

    def begin(self, request_id: str, context: Mapping[str, str]) -> Span:
        """A request, in the trace that its client names."""


class Untraced:
    """Nobody asks; `Traces` and `Span` at once."""

    context: Mapping[str, str] = {}

    def begin(self, request_id: str, context: Mapping[str, str]) -> Span:
        """Itself."""
        return self

    def of(self, service: str, path: str, model: str | None) -> None:
        """Nothing."""

    def happened(self, name: str, **about: str) -> None:
        """Nothing."""

    def end(self, outcome: str, usage: Usage | None) -> None:
        """Nothing."""


class OpenTelemetry:
    """Spans to a collector, in batches from a thread; one that does not answer costs spans, and no request."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` takes OTLP over HTTP, as `http://collector:4318/v1/traces`.

        How many are sampled is said by OpenTelemetry's own `OTEL_TRACES_SAMPLER`; all are where it is not set.
        """
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": _NAME}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
        self._tracer = self._provider.get_tracer(_NAME)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, request_id: str, context: Mapping[str, str]) -> Span:
        """As `Traces`."""
        from opentelemetry.trace import SpanKind

        about = {"http.request.method": "POST", "raytide.request_id": request_id}
        parent = self._propagator.extract(dict(context))
        span = self._tracer.start_span("POST", parent, SpanKind.SERVER, attributes=about)
        return _Begun(span, self._propagator)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _Begun:
    """A span of the SDK; names of attributes are OpenTelemetry's for generative AI where it has some."""

    def __init__(self, span: Any, propagator: Any) -> None:
        from opentelemetry.trace import set_span_in_context

        self._span = span
        self.context: dict[str, str] = {}
        propagator.inject(self.context, set_span_in_context(span))

    def of(self, service: str, path: str, model: str | None) -> None:
        """As `Span`."""
        self._span.update_name(f"POST {path}")
        self._span.set_attributes({"http.route": path, "raytide.service": service})
        self._span.set_attribute("gen_ai.request.model", model or service)

    def happened(self, name: str, **about: str) -> None:
        """As `Span`."""
        self._span.add_event(name, {f"raytide.{key}": value for key, value in about.items()})

    def end(self, outcome: str, usage: Usage | None) -> None:
        """As `Span`."""
        from opentelemetry.trace import StatusCode

        if not self._span.is_recording():
            return
        self._span.set_attribute("raytide.outcome", outcome)
        if usage is not None:
            self._span.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            self._span.set_attribute("gen_ai.usage.output_tokens", usage.output_tokens)
        if outcome not in _GOOD:
            self._span.set_status(StatusCode.ERROR, outcome)
        self._span.end()


_GOOD: Final = ("finished", "cancelled")
