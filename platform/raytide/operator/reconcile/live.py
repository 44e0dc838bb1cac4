"""What a Kubernetes cluster holds, as `kubectl get … -o json` prints it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from raytide.core.errors import RaytideError
from raytide.operator.reconcile.step import Object


def live_objects(text: str | bytes, file: str) -> list[Object]:
    """The objects of a list, or the single one.

    Raises:
        RaytideError: the text is none of kubectl's, such as a listing that somebody edited; `file` is where it is from.
    """
    try:
        found: dict[str, Any] = _MAP.validate_json(text)
        items: list[Object] = found.get("items", []) if found.get("kind") == "List" else [found]
        _OBJECTS.validate_python(items)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        problem = f"{file} holds no Kubernetes objects" + (f" ({where})" if where else "")
        raise RaytideError(f"{problem}: give what `kubectl get … -o json` printed") from error
    return items


class _Metadata(BaseModel):
    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    ownerReferences: list[dict[str, Any]] | None = None  # noqa: N815 (as Kubernetes writes it)


class _Group(BaseModel):
    groupName: str  # noqa: N815


class _Spec(BaseModel):
    workerGroupSpecs: list[_Group] | None = None  # noqa: N815


class _Status(BaseModel):
    conditions: list[dict[str, Any]] | None = None


class _Live(BaseModel):
    """As much of an object as a plan reads; everything else in it is taken as it is."""

    apiVersion: str  # noqa: N815
    kind: str
    metadata: _Metadata
    spec: _Spec = _Spec()
    status: _Status | None = None


_MAP: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_OBJECTS = TypeAdapter(list[_Live])
