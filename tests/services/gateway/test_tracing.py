"""Spans as a collector gets them, over HTTP in OpenTelemetry's own form."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from subprocess import run

import pytest

from raytide.services.gateway.directory import Directory
from raytide.services.gateway.tracing import OpenTelemetry

from ..collector import Collector, about
from .conftest import PAID, Replica, world

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01"}


def test_a_request_is_a_span_in_its_clients_trace_and_its_engines_are_children(
    tmp_path: Path, collector: Collector
) -> None:
    traces, replica = OpenTelemetry(collector.url), Replica()

    async def ask() -> None:
        async with world(tmp_path, replica, traces=traces) as met:
            await met.complete(stream=True, headers=CLIENT)

    asyncio.run(ask())
    traces.close()
    span = collector.spans.pop()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert replica.headers[0]["traceparent"] == f"00-{TRACE_ID}-{span.span_id.hex()}-01"
    assert span.name == "POST /v1/completions"
    assert [event.name for event in span.events] == ["admitted", "answers"]
    said = about(span)
    assert said["raytide.request_id"] == replica.headers[0]["x-request-id"]
    assert {key: said[key] for key in ("raytide.service", "raytide.outcome", "gen_ai.usage.output_tokens")} == {
        "raytide.service": "chat",
        "raytide.outcome": "finished",
        "gen_ai.usage.output_tokens": 3,
    }


def test_a_refused_request_says_why_and_no_secret(tmp_path: Path, collector: Collector) -> None:
    traces = OpenTelemetry(collector.url)

    async def ask() -> None:
        async with world(tmp_path, Replica(), access=PAID, traces=traces) as met:
            assert (await met.complete("rt-of-nobody")).status_code == 401

    asyncio.run(ask())
    traces.close()
    span = collector.spans.pop()
    assert about(span)["raytide.outcome"] == "invalid_api_key"
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert b"rt-of-nobody" not in span.SerializeToString()


def test_a_fault_of_the_gateway_itself_is_an_error(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Directory, "find", fails)
    traces = OpenTelemetry(collector.url)

    async def ask() -> None:
        async with world(tmp_path, Replica(), traces=traces) as met:
            assert (await met.complete()).status_code == 500

    asyncio.run(ask())
    traces.close()
    span = collector.spans.pop()
    assert (about(span)["raytide.outcome"], span.status.code) == ("failed", span.status.STATUS_CODE_ERROR)


def test_a_collector_that_is_not_there_costs_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1")
    traces = OpenTelemetry("http://127.0.0.1:9/v1/traces")

    async def ask() -> int:
        async with world(tmp_path, Replica(), traces=traces) as met:
            return (await met.complete()).status_code

    assert asyncio.run(ask()) == 200
    traces.close()


def test_where_nothing_is_traced_nothing_of_it_is_imported() -> None:
    code = "import sys, raytide.services.gateway.app; sys.exit('opentelemetry' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
