"""What may be written in each kind, as a page of Markdown: every section with its keys, their values and defaults.

It is made from the JSON Schema, whose words are the docstrings of the models, so that it cannot say anything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from raytide.core.spec.schema import schema_of

Node = Mapping[str, Any]
Path = tuple[str, ...]
_NAMES: Final = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}
_ROW: Final = "| key | value | default | meaning |\n|---|---|---|---|"


def reference_of(kinds: Iterable[type]) -> str:
    """The page of these kinds."""
    return "\n\n".join(["# What may be written", *(block for kind in kinds for block in _kind(kind))]) + "\n"


def _kind(kind: type) -> Iterator[str]:
    schema = schema_of(kind)
    yield f"## {kind.__name__}"
    yield from _said(schema)
    seen: set[str] = set()
    for name in ("metadata", "spec"):
        yield from _sections(kind.__name__, schema["properties"][name], (name,), schema["$defs"], seen)


def _sections(kind: str, node: Node, path: Path, defs: Node, seen: set[str]) -> Iterator[str]:
    """The sections that a value may be, and those below them, each once: where it is written first."""
    for name in _sections_in(node):
        if name in seen:
            continue
        seen.add(name)
        section, at = defs[name], (*path, *_chosen(defs[name]))
        yield f'### <a id="{_anchor(kind, name)}"></a>`{".".join(at)}`'
        yield from _said(section)
        keys, required = section.get("properties", {}), section.get("required", ())
        yield "\n".join([_ROW, *(_row(kind, key, value, key in required) for key, value in keys.items())])
        for key, value in keys.items():
            yield from _sections(kind, value, (*path, f"{key}[]" if _is_list(value) else key), defs, seen)


def _row(kind: str, key: str, node: Node, is_required: bool) -> str:
    default = "required" if is_required else _default(node)
    return f"| `{key}` | {_value(kind, node)} | {default} | {_one_line(node.get('description', ''))} |"


def _default(node: Node) -> str:
    value = node.get("default")
    if value in (None, [], {}):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _value(kind: str, node: Node) -> str:
    """What may stand there, in a few words."""
    if name := _name_of(node):
        return f"[{name}](#{_anchor(kind, name)})"
    if several := node.get("anyOf") or node.get("oneOf"):
        kinds = [_value(kind, each) for each in several if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "const" in node or "enum" in node:
        return ", ".join(f"`{each}`" for each in node.get("enum", [node.get("const")]))
    if node.get("type") == "array":
        return f"list of {_value(kind, node.get('items', {}))}"
    if node.get("type") == "object":
        values = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
        return f"map of names to {_value(kind, values[0])}" if isinstance(values[0], dict) else "map"
    if examples := node.get("examples"):
        return f"as `{examples[0]}`"
    return _within(node)


def _within(node: Node) -> str:
    if str(node.get("pattern", "")).endswith("%$"):
        return "as `99%`"
    if str(node.get("pattern", "")).endswith("([kMG]?)$"):
        return "as `200k`"
    least, above, most = node.get("minimum"), node.get("exclusiveMinimum"), node.get("maximum")
    bounds = [
        f"from {least:g}" if least is not None else "",
        f"above {above:g}" if above is not None else "",
        f"to {most:g}" if most is not None else "",
    ]
    return " ".join([_NAMES.get(str(node.get("type")), "anything"), *filter(None, bounds)])


def _sections_in(node: Any) -> Iterator[str]:
    """Names of the sections that a value refers to."""
    if isinstance(node, Mapping):
        if name := _name_of(node):
            yield name
        for key, below in node.items():
            if key != "discriminator":
                yield from _sections_in(below)
    elif isinstance(node, list):
        for below in node:
            yield from _sections_in(below)


def _name_of(node: Node) -> str:
    return str(node.get("$ref", "")).rpartition("/")[2]


def _chosen(section: Node) -> tuple[str, ...]:
    """What tells the section from others that may stand in its place."""
    task = section.get("properties", {}).get("task", {}).get("const")
    return (f"task: {task}",) if task else ()


def _is_list(node: Node) -> bool:
    return any(each.get("type") == "array" for each in (node, *node.get("anyOf", ())))


def _said(node: Node) -> Iterator[str]:
    if text := node.get("description"):
        yield str(text)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}".lower()
