from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given, settings
from hypothesis import strategies as st

from raytide.core.errors import Finding, SpecError
from raytide.core.spec import KINDS
from raytide.core.spec.overrides import overridden
from raytide.core.spec.read import document_of
from raytide.core.spec.source import Source

DOCUMENT = """\
apiVersion: raytide/v1
kind: Service
metadata: {name: chat}
spec:
  model: {source: models/chat}
  engine: {args: {max_model_len: 512}}
  hardware:
    - {accelerator: CPU}
  objectives:
    ttft: &bound {p95: 500ms}
    tpot: *bound
"""
# What YAML treats specially, so that short texts reach the odd corners of its grammar.
FRAGMENTS = st.sampled_from(
    ["\n", "\n  ", ": ", "- ", "? ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: *a", "!!int ", "!!bool ", "!!null ",
     "!!binary ", "!x ", "|\n", ">+\n", "'", '"', "%YAML 1.1\n", "---\n", "...\n", "\t", "\\",
     '"\\ud800"', "\0", "\x85",
     "\ufeff", "\r", "1e9", "0x1F", "~", ".inf", ".nan", "2026-01-01", "=", "1:30", "kind: Job", "task: train", "spec:"]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS | st.text(max_size=5), max_size=12).map("".join)


def assert_only_findings(read: Callable[[], object]) -> None:
    """Whatever is wrong is a SpecError, each finding one line, in file order."""
    findings = _findings(read)
    lines = [finding.line for finding in findings if finding.line]
    assert lines == sorted(lines)
    assert all(finding.line >= 0 and finding.column >= 1 for finding in findings)
    assert all("\n" not in str(finding) for finding in findings)


def _findings(read: Callable[[], object]) -> tuple[Finding, ...]:
    try:
        read()
    except SpecError as error:
        return error.findings
    return ()


@given(TEXTS)
@example("!!int ")
@example("!!bool maybe")
@example('? {"\\ud800": 1}')
@example("a: 0x" + "f" * 9000)
def test_any_text_is_a_document_or_a_spec_error(text: str) -> None:
    assert_only_findings(lambda: document_of(Source.of_text(text, "x"), KINDS))


@settings(max_examples=300)
@given(st.integers(0, len(DOCUMENT)), st.integers(0, 12), FRAGMENTS)
def test_any_edit_of_a_document_is_a_document_or_a_spec_error(start: int, length: int, new: str) -> None:
    text = DOCUMENT[:start] + new + DOCUMENT[start + length :]
    assert_only_findings(lambda: document_of(Source.of_text(text, "x"), KINDS))


@given(st.from_regex(r"[a-z.0-2]{0,20}=?", fullmatch=True) | st.just("spec.hardware.0.cpus="), TEXTS)
def test_any_override_is_applied_or_a_spec_error(key: str, value: str) -> None:
    source = Source.of_text(DOCUMENT, "x")
    assert_only_findings(lambda: document_of(overridden(source, key + value), KINDS))
