"""What a place in a document takes, read from the kind's JSON Schema and said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from raytide.core.spec.mark import KeyPath

Node = Mapping[str, Any]
_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a map",
    "null": "nothing",
}
_LIMITS: Final = {
    "minimum": "of at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "of at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "of at least {}",
    "maxItems": "of at most {}",
    "minLength": "of at least {} characters",
    "maxLength": "of at most {} characters",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that a kind knows: its path in a document, and the schema of what stands there."""

    root: Node
    path: KeyPath
    node: Node

    @classmethod
    def top(cls, schema: Node) -> Self:
        """The whole document."""
        return cls(root=schema, path=(), node=schema)

    def below(self, loc: KeyPath) -> Place:
        """Where pydantic's `loc` leads; its steps that name a member of a union are no part of the path."""
        if not loc:
            return self
        step, rest = loc[0], loc[1:]
        node, path = self.resolved(), (*self.path, step)
        if step in self.tags:
            node, path = {"$ref": node["discriminator"]["mapping"][step]}, self.path
        elif isinstance(step, int) and "items" in node:
            node = node["items"]
        elif step in node.get("properties", {}):
            node = node["properties"][step]
        elif isinstance(node.get("additionalProperties"), Mapping):
            node = node["additionalProperties"]
        else:
            path = self.path
        return Place(root=self.root, path=path, node=node).below(rest)

    @property
    def words(self) -> tuple[str, ...]:
        """The values that may stand here, where they are listed."""
        node = self.resolved()
        return tuple(map(str, node.get("enum", [node["const"]] if "const" in node else [])))

    @property
    def tags(self) -> tuple[str, ...]:
        """The values of the key that chooses between maps of different shapes, where one does."""
        return tuple(self.resolved().get("discriminator", {}).get("mapping", ()))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that may stand here."""
        return tuple(self.resolved().get("properties", ()))

    def describe(self) -> str:
        """What may stand here, as `a whole number of at least 1`."""
        node = self.resolved()
        if "anyOf" in node:
            members = [Place(root=self.root, path=self.path, node=member) for member in node["anyOf"]]
            return " or ".join(member.describe() for member in members)
        if self.words:
            return one_of(self.words) if len(self.words) > 1 else f"'{self.words[0]}'"
        if self.tags:
            return f"a map with {node['discriminator']['propertyName']}"
        if self.keys:
            return f"a map with {', '.join(node.get('required', self.keys))}"
        kind = _TYPES.get(node.get("type", ""), "a value")
        if "examples" in node:
            return f"{kind} such as {one_of(node['examples'])}"
        return f"{kind} {_limits(node)}".rstrip()

    def resolved(self) -> Node:
        """The schema behind references, and behind the `or nothing` of a key that may be left out."""
        node = self.node
        while True:
            members = [member for member in node.get("anyOf", ()) if member.get("type") != "null"]
            if "$ref" in node:
                node = self.root["$defs"][node["$ref"].removeprefix("#/$defs/")]
            elif len(members) == 1:
                node = members[0]
            else:
                return node


def one_of(words: Iterable[object]) -> str:
    """The words as `a, b or c`."""
    *others, last = map(str, words)
    return f"{', '.join(others)} or {last}" if others else last


def _limits(node: Node) -> str:
    if "minItems" in node and node["minItems"] == node.get("maxItems"):
        return f"of {node['minItems']}"
    return " and ".join(says.format(node[limit]) for limit, says in _LIMITS.items() if limit in node)
