"""A declared platform: one cluster with the services and jobs that run on it, and the files that say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from raytide.core.errors import Finding, SpecError
from raytide.core.spec import Cluster, Document, Pipeline, Service
from raytide.core.spec.cluster import Pool
from raytide.core.spec.job import Job
from raytide.core.spec.kubernetes import Kubernetes
from raytide.core.spec.mark import Mark
from raytide.core.spec.read import KINDS, document_of
from raytide.core.spec.source import Source, read_text
from raytide.manifests.carried import named, with_jobs
from raytide.manifests.traced import Origin

_Kind = TypeVar("_Kind", bound=Document)
_NAMED_AS: Final = {"Pipeline": "Job"}
"""Both are RayJobs, which are named for them."""


@dataclass(frozen=True, slots=True)
class Declared(Generic[_Kind]):
    """A document and the file that it was read from."""

    document: _Kind
    source: Source
    others: tuple[Path, ...] = ()
    """Files beside it that it names, and that are in it."""

    @property
    def name(self) -> str:
        """As in its metadata."""
        return self.document.metadata.name

    def at(self, *path: str | int) -> Origin:
        """A key of the file."""
        return Origin(self.source, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What is to be rendered, services, jobs and pipelines in the order of their names."""

    cluster: Declared[Cluster]
    services: tuple[Declared[Service], ...] = ()
    jobs: tuple[Declared[Job], ...] = ()
    pipelines: tuple[Declared[Pipeline], ...] = ()
    """With their jobs in them, in the place of files."""

    @property
    def submitted(self) -> tuple[Declared[Job] | Declared[Pipeline], ...]:
        """What becomes a RayJob."""
        return (*self.jobs, *self.pipelines)

    @property
    def name(self) -> str:
        """Of the cluster."""
        return self.cluster.name

    @property
    def kubernetes(self) -> Kubernetes:
        """Of the cluster."""
        return self.cluster.document.spec.kubernetes

    def at(self, *path: str | int) -> Origin:
        """A key below `spec.kubernetes` of the cluster file."""
        return self.cluster.at("spec", "kubernetes", *path)

    @property
    def is_autoscaled(self) -> bool:
        """Whether any pool may grow."""
        return any(pool.min_nodes < pool.max_nodes for pool in self.pools)

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Of the cluster."""
        return self.cluster.document.spec.pools


def read_platform(cluster: Path, others: Iterable[Path] = ()) -> Platform:
    """The platform that a cluster file, and files or folders of services, jobs and pipelines, declare.

    Raises:
        SpecError: with every mistake of every file.
    """
    files = dict.fromkeys((cluster, *(file for path in others for file in _files(path))))
    findings: list[Finding] = []
    documents: dict[Path, Declared[Document]] = {}
    for file in files:
        try:
            documents[file] = _read(file)
        except SpecError as error:
            findings += error.findings
    findings += _misplaced(documents, cluster)
    if findings:
        raise SpecError(tuple(findings))
    found = list(documents.values())
    return Platform(
        cluster=_of_kind(Cluster, found)[0],
        services=_of_kind(Service, found),
        jobs=_of_kind(Job, found),
        pipelines=_of_kind(Pipeline, found),
    )


def _read(file: Path) -> Declared[Document]:
    source = Source.of_text(read_text(file), str(file))
    document: Document = document_of(source, KINDS)
    if isinstance(document, Pipeline):
        carrying = with_jobs(source, file.parent)
        return Declared(document_of(carrying, (Pipeline,)), carrying, named(source, file.parent))
    return Declared(document, source)


def _files(path: Path) -> list[Path]:
    """The file itself, or the YAML files of a folder in order of their names."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted(file for file in path.iterdir() if file.suffix in (".yaml", ".yml") and file.is_file())
    except OSError as error:
        raise SpecError((Mark(str(path)).finding(f"cannot be read: {error.strerror}"),)) from error
    if not found:
        raise SpecError((Mark(str(path)).finding("a folder without YAML files"),))
    return found


def _misplaced(documents: Mapping[Path, Declared[Document]], cluster: Path) -> Iterator[Finding]:
    """A cluster file that is none, another one that is, and names that are there twice."""
    seen: dict[tuple[str, str], Declared[Document]] = {}
    for file, declared in documents.items():
        kind = declared.document.kind
        if (file == cluster) != (kind == "Cluster"):
            expected = "Cluster, as it is given with -f" if file == cluster else "Service, Job or Pipeline beside it"
            yield declared.at("kind").finding("wrong kind", got=repr(kind), expected=expected)
        elif (kind := _NAMED_AS.get(kind, kind), declared.name) in seen:
            first = seen[kind, declared.name].source.mark(("metadata", "name"))
            yield declared.at("metadata", "name").finding(f"this name is already that of {first.file}:{first.line}")
        seen.setdefault((kind, declared.name), declared)


def _of_kind(kind: type[_Kind], documents: Iterable[Declared[Document]]) -> tuple[Declared[_Kind], ...]:
    found = [Declared(one.document, one.source, one.others) for one in documents if isinstance(one.document, kind)]
    return tuple(sorted(found, key=lambda one: one.name))
