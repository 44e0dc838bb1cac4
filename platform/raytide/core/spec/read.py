"""A YAML file to the document it declares, or every mistake in it at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import Field, ValidationError

from raytide.core.errors import Finding, SpecError
from raytide.core.spec.base import Document
from raytide.core.spec.cluster import Cluster
from raytide.core.spec.expect import one_of
from raytide.core.spec.explain import explain, found
from raytide.core.spec.job import Job
from raytide.core.spec.mark import KeyPath, Mark
from raytide.core.spec.overrides import overridden
from raytide.core.spec.pipeline import Pipeline
from raytide.core.spec.schema import schema_of
from raytide.core.spec.service import Service
from raytide.core.spec.source import Source, read_text
from raytide.core.spec.suggest import nearest

_Kind = TypeVar("_Kind", bound=Document)

KINDS: Final[tuple[type[Cluster] | type[Service] | type[Job] | type[Pipeline], ...]] = (Cluster, Service, Job, Pipeline)
"""Every kind of document; `kind:` takes the name of its class."""

AnyDocument = Annotated[Cluster | Service | Job | Pipeline, Field(discriminator="kind")]
"""A document of any kind."""


def read(path: Path, overrides: tuple[str, ...] = ()) -> Cluster | Service | Job | Pipeline:
    """The document that a file declares.

    Args:
        path: A YAML file with one document.
        overrides: `dotted.key=YAML value`, applied in order before validation.

    Raises:
        SpecError: Something is wrong with the file or an override; carries every finding, in file order.
    """
    return document_of(source_of(path, overrides), KINDS)


def read_as(kind: type[_Kind], path: Path, overrides: tuple[str, ...] = ()) -> _Kind:
    """The document of one kind that a file declares; a file of another kind is a SpecError as in `read`."""
    return document_of(source_of(path, overrides), (kind,))


def marks_of(path: Path, overrides: tuple[str, ...] = ()) -> Callable[[KeyPath], Mark]:
    """Where each key of a file stands, for findings that only its use brings up; arguments and errors as in `read`."""
    return source_of(path, overrides).mark


def document_of(source: Source, kinds: Iterable[type[_Kind]]) -> _Kind:
    """The document that a source holds, where it is of one of the kinds; a SpecError with every finding otherwise."""
    if not isinstance(source.value, dict):
        raise SpecError(_in_file_order((*source.findings, _not_a_map(source))))
    by_name, name = {kind.__name__: kind for kind in kinds}, str(source.value.get("kind", ""))
    findings = [*source.findings, *([] if name in by_name else [_wrong_kind(source, tuple(by_name))])]
    # A misspelt kind is read as the one that was meant, so that the rest of the file is checked in the same go.
    kind = by_name.get(nearest(name, by_name) or "")
    if kind is None:
        raise SpecError(_in_file_order(findings))
    try:
        # JSON mode, because only there does a strict tuple take a list.
        document = kind.model_validate_json(json.dumps(source.value), strict=True)
    except ValidationError as error:
        findings += [f for f in explain(error, schema_of(kind), source) if f.path != "kind"]
    if findings:
        raise SpecError(_in_file_order(findings))
    return document


def source_of(path: Path, overrides: tuple[str, ...] = ()) -> Source:
    """What a file holds, whatever it declares; overrides and errors as in `read`, of YAML alone."""
    return reduce(overridden, overrides, Source.of_text(read_text(path), str(path)))


def _not_a_map(source: Source) -> Finding:
    if source.value is None:
        return source.values[()].finding("the document is empty", expected="apiVersion, kind, metadata and spec")
    expected = "a map with apiVersion, kind, metadata and spec"
    return source.values[()].finding("not a document", got=found(source.value), expected=expected)


def _wrong_kind(source: Source, names: tuple[str, ...]) -> Finding:
    mark, kind = source.mark(("kind",)), source.value.get("kind")
    if "kind" not in source.value:
        return mark.finding("missing", ("kind",), expected=one_of(names))
    return mark.finding(
        "wrong kind", ("kind",), got=found(kind), expected=one_of(names), did_you_mean=nearest(kind, names)
    )


def _in_file_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sorted by place, the overrides (line 0) last; mistakes that union members share are said once."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda f: (f.line == 0, f.line, f.column)))
