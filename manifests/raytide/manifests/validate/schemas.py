"""The schemas of Kubernetes' and KubeRay's kinds, carried or read from a folder of CRDs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from raytide.core.errors import SpecError
from raytide.core.spec.mark import Mark
from raytide.core.spec.source import read_text
from raytide.manifests.validate.derive import of_crds

FOLDER: Final = Path(__file__).parent.parent / "schemas"
KUBERAY: Final = "kuberay-1.7.0.json"
KUBERNETES: Final = "kubernetes-1.37.json"
METADATA: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


@dataclass(frozen=True, slots=True)
class Schemas:
    """A JSON Schema for each kind that is known."""

    by_kind: Mapping[str, Any]
    """By `apiVersion/kind`."""

    def of(self, api_version: str, kind: str) -> Mapping[str, Any] | None:
        """That of a kind; None where it is not known."""
        schema: Mapping[str, Any] | None = self.by_kind.get(f"{api_version}/{kind}")
        return schema

    def kinds_of(self, api_version: str) -> tuple[str, ...]:
        """The kinds of an API version."""
        return tuple(key.rpartition("/")[2] for key in self.by_kind if key.rpartition("/")[0] == api_version)


@cache
def carried() -> Schemas:
    """Those of Kubernetes 1.37 and KubeRay 1.7.0."""
    core, kuberay = (json.loads((FOLDER / name).read_text(encoding="utf-8")) for name in (KUBERNETES, KUBERAY))
    return Schemas({**_complete(core), **_complete(kuberay)})


@cache
def metadata_schema() -> Mapping[str, Any]:
    """That of `metadata`, which a CRD leaves to the API server."""
    shared = json.loads((FOLDER / KUBERNETES).read_text(encoding="utf-8"))["$defs"]
    return {"$ref": f"#/$defs/{METADATA}", "$defs": shared}


def with_crds(folder: Path) -> Schemas:
    """The carried ones, and in their place those of the CRDs in a folder.

    Raises:
        SpecError: the folder holds no CRD, or one that cannot be read.
    """
    schemas: dict[str, Any] = {}
    for file in sorted(folder.glob("*.y*ml")):
        schemas |= _of_file(file)
    if not schemas:
        raise SpecError((Mark(str(folder)).finding("a folder without CustomResourceDefinitions"),))
    return Schemas({**carried().by_kind, **schemas})


def _of_file(file: Path) -> dict[str, Any]:
    import yaml

    try:
        return _complete(of_crds(_crds_in(file)))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        mark = Mark(str(file), place.line + 1, place.column + 1) if place else Mark(str(file))
        raise SpecError((mark.finding("not YAML"),)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a part is missing, or of another shape
        finding = Mark(str(file)).finding("no CustomResourceDefinition", expected="one that an API server takes")
        raise SpecError((finding,)) from error


def crds_of(folder: Path) -> Iterator[dict[str, Any]]:
    """The CustomResourceDefinitions in the YAML files of a folder."""
    return (crd for file in sorted(folder.glob("*.y*ml")) for crd in _crds_in(file))


def _crds_in(file: Path) -> Iterator[dict[str, Any]]:
    import yaml  # the C parser: a CRD has 20,000 lines

    for document in yaml.load_all(read_text(file), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(document, dict) and document.get("kind") == "CustomResourceDefinition":
            yield document


def _complete(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Each schema with the shared parts that it refers to."""
    shared = schemas["$defs"]
    return {kind: {**schema, "$defs": shared} for kind, schema in schemas.items() if kind != "$defs"}
