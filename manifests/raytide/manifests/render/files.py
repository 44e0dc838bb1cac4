"""Rendered objects as kustomize folders: the cluster, what runs on it, and a provider's overlay on the cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import RaytideError
from raytide.manifests.overlays.overlay import additions, patches
from raytide.manifests.overlays.provider import Provider
from raytide.manifests.platform import Platform
from raytide.manifests.render.objects import cluster_objects, workload_objects
from raytide.manifests.render.operator import operator_objects
from raytide.manifests.render.text import MARK, file_text, yaml_text
from raytide.manifests.traced import Rendered

CLUSTER: Final = "base/cluster"
WORKLOADS: Final = "base/workloads"
OPERATOR: Final = "base/operator"
_KUSTOMIZATION: Final = "kustomization.yaml"


def base_files(platform: Platform) -> dict[str, str]:
    """Text by path: one file for each object, and kustomizations that list them in the order of their use."""
    rendered = {CLUSTER: cluster_objects(platform), WORKLOADS: workload_objects(platform)}
    if operated := tuple(operator_objects(platform)):
        rendered[OPERATOR] = operated
    return {path: text for folder, found in rendered.items() for path, text in _folder(folder, found).items()}


def overlay_files(platform: Platform, where: Provider) -> dict[str, str]:
    """Text by path: a patch for each object that differs, and the kustomization that lays them on the cluster."""
    files: dict[str, str] = {}
    listed = []
    for one in cluster_objects(platform):
        if added := additions(platform, one, where):
            file = f"patch-{_file_name(one)}"
            files[f"{where.folder}/{file}"] = f"{MARK}\n# For {where.title}.\n{yaml_text(patches(added))}"
            listed.append({"path": file, "target": {"kind": one.kind, "name": one.name}})
    content = {"resources": [f"../../{CLUSTER}"], "patches": listed}
    return {**files, f"{where.folder}/{_KUSTOMIZATION}": _kustomization(content)}


def _folder(folder: str, rendered: Iterable[Rendered]) -> dict[str, str]:
    files = {_file_name(one): file_text(one) for one in rendered}
    listed = {f"{folder}/{name}": text for name, text in files.items()}
    return {**listed, f"{folder}/{_KUSTOMIZATION}": _kustomization({"resources": list(files)})}


def write(folder: Path, files: Mapping[str, str]) -> None:
    """The files below the folder; what an earlier rendering left there and this one has not is removed after that.

    Raises:
        RaytideError: a file of that name is somebody's own, or the folder cannot be written.
    """
    targets = {folder / path: text for path, text in files.items()}
    try:
        if theirs := [file for file in targets if file.exists() and not _is_ours(file)]:
            raise RaytideError(f"{theirs[0]} is not of `raytide manifests render`: move it, or give another -o")
        for file, text in targets.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        # All of the base, also a part that is declared no more; overlays of other providers are rendered one by one.
        folders = {*(target.parent for target in targets), *(folder / part for part in (CLUSTER, WORKLOADS, OPERATOR))}
        for stale in {file for within in folders for file in within.glob("*.yaml")} - targets.keys():
            if _is_ours(stale):
                stale.unlink()
    except OSError as error:
        raise RaytideError(f"{error.filename or folder} cannot be written: {error.strerror}") from error


def _is_ours(file: Path) -> bool:
    """Whether a rendering wrote it, or began to on a disk that was full; files that a user put there are theirs."""
    return file.is_file() and file.read_bytes()[: len(MARK)] in (b"", MARK.encode())


def _file_name(rendered: Rendered) -> str:
    return f"{rendered.kind.lower()}-{rendered.name}.yaml"


def _kustomization(content: Mapping[str, Any]) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return f"{MARK}\n{yaml_text({**head, **content})}"
