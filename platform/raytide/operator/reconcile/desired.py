"""What a folder of YAML wants of a Kubernetes cluster: the objects of its platform, once nothing is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from raytide.core.errors import RaytideError, SpecError
from raytide.core.spec.cluster import Pool
from raytide.manifests.overlays.overlay import placed
from raytide.manifests.overlays.provider import Provider
from raytide.manifests.platform import Platform, read_platform
from raytide.manifests.render.objects import objects
from raytide.manifests.validate.check import check_platform
from raytide.manifests.validate.schemas import carried
from raytide.operator.reconcile.stamp import generation, stamped
from raytide.operator.reconcile.step import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """All that one reading of the files wants."""

    platform: str
    namespace: str
    objects: tuple[Object, ...]
    generation: str
    """What stands for the content of the objects."""
    version: object = None
    """Of the files, before they were read; None where it is not known."""
    pools: tuple[Pool, ...] = ()
    idle_timeout_s: float = 0.0
    """After which Ray gives a node back."""


@dataclass(slots=True, kw_only=True)
class Checkout:
    """Files that somebody edits, or that a checkout or a mounted ConfigMap replaces."""

    cluster: Path
    others: tuple[Path, ...] = ()
    where: Provider | None = None
    _named: tuple[Path, ...] = ()
    """Jobs of pipelines, as far as readings met them, and files with mistakes: they may lie anywhere."""

    def read(self) -> Desired:
        """What they want now.

        Raises:
            SpecError: with everything that `raytide manifests validate` finds.
        """
        version = self.version()
        platform = self._sound()
        self._named = tuple(file for pipeline in platform.pipelines for file in pipeline.others)
        rendered = placed(platform, objects(platform), self.where)
        values = stamped(one.value for one in rendered)
        return Desired(
            platform=platform.name,
            namespace=platform.kubernetes.namespace,
            objects=values,
            generation=generation(values),
            version=version,
            pools=platform.pools,
            idle_timeout_s=platform.kubernetes.idle_timeout,
        )

    def _sound(self) -> Platform:
        try:
            return sound(self.cluster, self.others, self.where)
        except SpecError as error:  # what mends it may be a file that a pipeline names, and that is not there yet
            self._named = tuple(dict.fromkeys((*self._named, *(Path(one.file) for one in error.findings))))
            raise

    def version(self) -> tuple[tuple[str, int, int], ...]:
        """What differs once a file was written, added or removed."""
        return tuple(sorted(_versions((self.cluster, *self.others, *self._named))))


def sound(cluster: Path, others: Iterable[Path], where: Provider | None) -> Platform:
    """The platform that the files declare.

    Raises:
        SpecError: with everything that `raytide manifests validate` finds.
    """
    platform = read_platform(cluster, others)
    if findings := check_platform(platform, carried(), where).findings:
        raise SpecError(findings)
    return platform


def same_place(now: Desired, first: Desired) -> Desired:
    """What is wanted now, of the platform that was wanted first.

    Raises:
        RaytideError: it has another name or namespace, and what ran under the first would be nobody's.
    """
    if (now.platform, now.namespace) != (first.platform, first.namespace):
        raise RaytideError(
            f"the platform is now {now.namespace}/{now.platform} and was {first.namespace}/{first.platform}: a name "
            "and a namespace stay for as long as the platform; delete the first by hand, and start the operator anew"
        )
    return now


def _versions(paths: Iterable[Path]) -> Iterator[tuple[str, int, int]]:
    for file in (file for path in paths for file in _files(path)):
        try:
            found = file.stat()
        except OSError:  # while a checkout replaces it
            continue
        yield str(file), found.st_mtime_ns, found.st_size


def _files(path: Path) -> tuple[Path, ...]:
    try:
        return tuple(path.iterdir()) if path.is_dir() else (path,)
    except OSError:  # as above
        return ()
