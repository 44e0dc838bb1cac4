"""`raytide check FILE...`: what is wrong with the files, all of it, each with its place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from raytide.core.errors import Finding, SpecError
from raytide.core.spec import Document, read


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="YAML files with one document each.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a list for machines to standard output.")] = False,
    excerpt: Annotated[
        bool | None, typer.Option(help="Show the line of each finding; the default on a terminal.")
    ] = None,
) -> None:
    """Check YAML files without a cluster.

    Findings go to standard error as `file:line:column: …`. The exit status is 2 where anything is wrong.
    """
    verdicts = [_verdict(file) for file in files]
    if as_json:
        typer.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=2))
    else:
        _print(verdicts, excerpt=sys.stderr.isatty() if excerpt is None else excerpt)
    if any(verdict.findings for verdict in verdicts):
        raise typer.Exit(SpecError.exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What a file declares, or what is wrong with it."""

    file: Path
    document: Document | None = None
    findings: tuple[Finding, ...] = ()

    def as_json(self) -> dict[str, object]:
        return {
            "file": str(self.file),
            "kind": self.document.kind if self.document else None,
            "name": self.document.metadata.name if self.document else None,
            "findings": [asdict(finding) for finding in self.findings],
        }


def _verdict(file: Path) -> _Verdict:
    try:
        return _Verdict(file=file, document=read(file))
    except SpecError as error:
        return _Verdict(file=file, findings=error.findings)


def _print(verdicts: list[_Verdict], *, excerpt: bool) -> None:
    for verdict in verdicts:
        if verdict.document:
            typer.echo(f"ok  {verdict.file}  {verdict.document.kind} {verdict.document.metadata.name}")
        for finding in verdict.findings:
            typer.echo(str(finding), err=True)
            for line in lines_of(verdict.file, finding) if excerpt else ():
                typer.echo(line, err=True)


def lines_of(file: Path, finding: Finding) -> Iterator[str]:
    """The line of a finding, and below it a caret at its column; nothing where the file has no such line."""
    if not finding.line:
        return
    lines = file.read_text("utf-8-sig", errors="replace").splitlines()
    if finding.line > len(lines):  # what is missing at the end of a file is missed after its last line
        return
    line = lines[finding.line - 1]
    before = "".join("\t" if character == "\t" else " " for character in line[: finding.column - 1])
    yield f"{finding.line:>6} | {line}"
    yield f"{'':>6} | {before}^"
