"""Kubernetes objects in files that somebody wrote by hand, with the place of every key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from raytide.core.errors import Finding, SpecError
from raytide.core.spec.source import Source, read_text
from raytide.manifests.traced import Rendered

_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_NOT_OBJECTS: Final = ("Kustomization", "Component")


def read_manifests(paths: Iterable[Path]) -> tuple[Rendered, ...]:
    """The objects of files, and of all YAML files below folders.

    Raises:
        SpecError: with everything that is no object in YAML.
    """
    findings: list[Finding] = []
    found: list[Rendered] = []
    for file in (file for path in paths for file in _files(path)):
        for source in _documents(file, findings):
            if problem := _no_object(source):
                findings.append(source.values[()].finding(problem, expected="apiVersion, kind and metadata.name"))
            elif source.value["kind"] not in _NOT_OBJECTS:
                found.append(Rendered.written(source))
    if findings:
        raise SpecError(tuple(findings))
    return tuple(found)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*.y*ml") if file.is_file())
    else:
        yield path


def _documents(file: Path, findings: list[Finding]) -> Iterator[Source]:
    """Each document that says anything, read below as many empty lines as stand before it in the file."""
    try:
        text = read_text(file)
        starts = [0, *(match.end() for match in _SEPARATOR.finditer(text))]
        ends = [*(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
        for start, end in zip(starts, ends, strict=True):
            above = "\n" * text.count("\n", 0, start) + " " * (3 if start else 0)
            source = Source.of_text(above + text[start:end], str(file))
            findings += source.findings
            if source.value is not None:
                yield source
    except SpecError as error:
        findings += error.findings


def _no_object(source: Source) -> str | None:
    value = source.value
    if not isinstance(value, dict):
        return "not an object"
    if not all(isinstance(value.get(key), str) and value[key] for key in ("apiVersion", "kind")):
        return "not an object"
    metadata = value.get("metadata")
    is_named = isinstance(metadata, dict) and (metadata.get("name") or metadata.get("generateName"))
    return None if is_named or value["kind"] in _NOT_OBJECTS else "an object without a name"
