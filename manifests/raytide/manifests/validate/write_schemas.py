"""Writes the schemas that raytide carries, anew from where they come from; `schemas/README.md` says when.

python -m raytide.manifests.validate.write_schemas KUBERAY_CRDS_FOLDER KUBERNETES_DEFINITIONS.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from raytide.manifests.validate.derive import of_crds, of_definitions
from raytide.manifests.validate.schemas import FOLDER, KUBERAY, KUBERNETES, crds_of

_CORE: Final = "io.k8s.api"
KINDS: Final[Mapping[str, str]] = {
    **{
        f"v1/{kind}": f"{_CORE}.core.v1.{kind}"
        for kind in (
            "ConfigMap",
            "Namespace",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "Secret",
            "Service",
            "ServiceAccount",
        )
    },
    "apps/v1/Deployment": f"{_CORE}.apps.v1.Deployment",
    "batch/v1/CronJob": f"{_CORE}.batch.v1.CronJob",
    "batch/v1/Job": f"{_CORE}.batch.v1.Job",
    "networking.k8s.io/v1/Ingress": f"{_CORE}.networking.v1.Ingress",
    "networking.k8s.io/v1/NetworkPolicy": f"{_CORE}.networking.v1.NetworkPolicy",
    "policy/v1/PodDisruptionBudget": f"{_CORE}.policy.v1.PodDisruptionBudget",
    **{
        f"rbac.authorization.k8s.io/v1/{kind}": f"{_CORE}.rbac.v1.{kind}"
        for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    },
    "scheduling.k8s.io/v1/PriorityClass": f"{_CORE}.scheduling.v1.PriorityClass",
}
"""Kinds of Kubernetes itself that are rendered, or found beside what is."""


def text_of(schemas: Mapping[str, Any]) -> str:
    """One schema a line, so that a new version is a readable difference."""
    shared = {key: _line(value) for key, value in schemas["$defs"].items()}
    kinds = {key: _line(value) for key, value in schemas.items() if key != "$defs"}
    return "{\n" + _lines(kinds) + ',\n"$defs": {\n' + _lines(shared) + "\n}}\n"


def _lines(entries: Mapping[str, str]) -> str:
    return ",\n".join(f"{json.dumps(key)}: {text}" for key, text in entries.items())


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def main(crds: str, definitions: str) -> None:
    """Writes both files."""
    (FOLDER / KUBERAY).write_text(text_of(of_crds(crds_of(Path(crds)))), encoding="utf-8")
    document = json.loads(Path(definitions).read_text(encoding="utf-8"))
    core = of_definitions(document.get("$defs") or document["definitions"], KINDS)
    (FOLDER / KUBERNETES).write_text(text_of(core), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
