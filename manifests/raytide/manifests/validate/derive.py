"""CRDs and Kubernetes' own definitions as compact JSON Schemas that hold what an API server checks, and nothing else.

What the API server does before it validates is folded in: defaults are set first, so a property that has one is not
required; a field of `int-or-string` is either; and a key that a structural schema does not know is an error, where the
server would drop it in silence. Descriptions go, and what occurs twice (a pod template is a thousand lines, and a
RayService has two) is kept once.

Source: the rules of structural schemas in Kubernetes' documentation of CustomResourceDefinitions.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Node = Mapping[str, Any]
_REFERENCE: Final = "#/$defs/"
_KEPT: Final = frozenset(
    {
        "type",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "enum",
        "pattern",
        "format",
        "minimum",
        "maximum",
    }
    | {"exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "not"}
    | {"minProperties", "maxProperties", "allOf", "anyOf", "oneOf", "default", "multipleOf", "$ref"}
    | {"x-kubernetes-validations"}
)
_QUANTITY: Final = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
_SCALARS: Final[Mapping[str, Any]] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["integer", "string"]},
    # The pattern is the one that CRDs carry; the OpenAPI document leaves it to the parser.
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["integer", "number", "string"], "pattern": _QUANTITY},
}
_SHARED_FROM: Final = 200
"""Characters from which what occurs twice is worth a name."""


def of_crds(crds: Iterable[Node]) -> dict[str, Any]:
    """Schemas of the stored versions of CRDs, by `apiVersion/kind`, with the shared parts under `$defs`."""
    schemas = {
        f"{crd['spec']['group']}/{version['name']}/{crd['spec']['names']['kind']}": _of_object(_schema(version))
        for crd in crds
        for version in crd["spec"]["versions"]
        if version.get("storage") and _schema(version)
    }
    return _with_shared(schemas)


def of_definitions(definitions: Node, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Schemas of some of Kubernetes' own kinds; `kinds` maps `apiVersion/kind` to the name of its definition.

    Args:
        definitions: The `definitions` of Kubernetes' OpenAPI document, whose references point at each other.
        kinds: Which to keep; what they refer to is kept as well.
    """
    needed = set(_reachable(definitions, set(kinds.values())))
    shared = {name: _SCALARS.get(name) or _pruned(_unlinked(definitions[name])) for name in sorted(needed)}
    return {**{kind: {"$ref": _REFERENCE + name} for kind, name in sorted(kinds.items())}, "$defs": shared}


def _schema(version: Node) -> Any:
    return version.get("schema", {}).get("openAPIV3Schema")


def _of_object(schema: Node) -> dict[str, Any]:
    """What a user writes of an object: its status is not theirs, and its metadata has a schema of its own."""
    pruned = _pruned(schema)
    properties = {key: value for key, value in pruned["properties"].items() if key != "status"}
    head = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {**pruned, "properties": {**properties, **head}}


def _pruned(node: Any) -> Any:
    if not isinstance(node, Mapping):
        return node
    kept: dict[str, Any] = {key: _below(key, value) for key, value in node.items() if key in _KEPT}
    if isinstance(kept.get("type"), list):  # a null is dropped before it is looked at
        (kept["type"],) = [name for name in kept["type"] if name != "null"]
    if node.get("x-kubernetes-int-or-string"):
        kept.pop("anyOf", None)
        kept["type"] = ["integer", "string"]
    if node.get("x-kubernetes-preserve-unknown-fields"):
        kept.pop("additionalProperties", None)
    elif "properties" in kept and "additionalProperties" not in kept:
        kept["additionalProperties"] = False
    if "required" in kept:
        defaulted = {key for key, value in node.get("properties", {}).items() if "default" in value}
        kept["required"] = [key for key in kept["required"] if key not in defaulted]
    return kept


def _below(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _pruned(node) for name, node in value.items()}
    if key in ("items", "additionalProperties", "not"):
        return _pruned(value)
    if key in ("allOf", "anyOf", "oneOf"):
        return [_pruned(node) for node in value]
    return value


def _unlinked(node: Any) -> Any:
    """References of the OpenAPI document as those of ours."""
    if isinstance(node, Mapping):
        if "$ref" in node:
            return {"$ref": _REFERENCE + str(node["$ref"]).rsplit("/", 1)[-1]}
        return {key: _unlinked(value) for key, value in node.items()}
    return [_unlinked(value) for value in node] if isinstance(node, list) else node


def _reachable(definitions: Node, names: set[str]) -> Iterator[str]:
    seen: set[str] = set()
    while names - seen:
        name = min(names - seen)
        seen.add(name)
        yield name
        names = names | {str(reference).rsplit("/", 1)[-1] for reference in _references(definitions[name])}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _references(value)


def _with_shared(schemas: dict[str, Any]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for schema in schemas.values():
        _count(schema, counts)
    sharing = _Sharing(counts=counts)
    named = {kind: sharing.inside(schema) for kind, schema in sorted(schemas.items())}
    return {**named, "$defs": dict(sorted(sharing.shared.items()))}


def _text(node: Any) -> str:
    return json.dumps(node, sort_keys=True, separators=(",", ":"))


def _children(node: Node) -> Iterator[Any]:
    yield from node.get("properties", {}).values()
    for key in ("items", "additionalProperties", "not"):
        if isinstance(node.get(key), Mapping):
            yield node[key]


def _count(node: Node, counts: Counter[str]) -> None:
    text = _text(node)
    counts[text] += 1
    if counts[text] == 1:  # what is below something that was seen is counted with it
        for child in _children(node):
            _count(child, counts)


@dataclass(slots=True, kw_only=True)
class _Sharing:
    """Takes out what occurs more than once, largest parts first."""

    counts: Counter[str]
    shared: dict[str, Any] = field(default_factory=dict)

    def node(self, node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        text = _text(node)
        if self.counts[text] < 2 or len(text) < _SHARED_FROM:
            return self.inside(node)
        name = hashlib.sha256(text.encode()).hexdigest()[:8]
        if name not in self.shared:
            self.shared[name] = {}  # its place, before what is below it takes one
            self.shared[name] = self.inside(node)
        return {"$ref": _REFERENCE + name}

    def inside(self, node: Node) -> dict[str, Any]:
        inner = dict(node)
        if "properties" in node:
            inner["properties"] = {key: self.node(value) for key, value in node["properties"].items()}
        for key in ("items", "additionalProperties", "not"):
            if isinstance(node.get(key), Mapping):
                inner[key] = self.node(node[key])
        return inner
