"""A YAML document as plain values, with the place of every key and value.

A document holds what JSON holds: text, numbers, true and false, nothing, lists, and maps whose keys are text.
Anchors, aliases and merge keys are followed; a value reached through an alias is placed where it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from raytide.core.errors import Finding, SpecError
from raytide.core.spec.mark import KeyPath, Mark
from raytide.core.spec.syntax import compose, plain_scalar

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"
# A date, `=` and `<<` are text: no key takes a date, and a model's version may look like one.
_TEXTS: Final = frozenset(f"{_TAG}{name}" for name in ("str", "timestamp", "value", "merge"))
_SCALARS: Final = frozenset(f"{_TAG}{name}" for name in ("int", "float", "bool", "null"))
_MAX_DEPTH: Final = 50
_MAX_VALUES: Final = 100_000  # a few lines of aliases to aliases expand to billions of values


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document's plain value, and where every key and value of it stands."""

    value: Any
    keys: Mapping[KeyPath, Mark]
    values: Mapping[KeyPath, Mark]
    findings: tuple[Finding, ...] = ()
    """What is wrong with the YAML itself, as a key that is there twice."""

    @classmethod
    def of_text(cls, text: str, file: str) -> Self:
        """The one document in `text`; a SpecError where that is not YAML."""
        walk = _Walk(file=file)
        value = walk.value(compose(text, file), ())
        return cls(value=value, keys=walk.keys, values=walk.values, findings=tuple(walk.findings))

    def at(self, path: KeyPath) -> Any:
        """The value at a path that exists."""
        value = self.value
        for step in path:
            value = value[step]
        return value

    def mark(self, path: KeyPath) -> Mark:
        """Where to point for a path: a scalar itself, the key of a map or list, else the nearest parent."""
        while path not in self.values:
            path = path[:-1]
        if isinstance(self.at(path), (dict, list)):
            return self.keys.get(path, self.values[path])
        return self.values[path]


def read_text(path: Path) -> str:
    """The text of a file; a SpecError where it has none."""
    whole = Mark(str(path))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        finding = whole.finding("no such file")
    except IsADirectoryError:
        finding = whole.finding("a folder; name a file in it")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode().split("\n")
        here = Mark(whole.file, len(before), len(before[-1]) + 1)
        finding = here.finding("not UTF-8 text; save the file as UTF-8")
    except OSError as error:
        finding = whole.finding(f"cannot be read: {error.strerror}")
    raise SpecError((finding,))


@dataclass(slots=True, kw_only=True)
class _Walk:
    """One pass over the nodes of a document that notes places and mistakes on the way."""

    file: str
    keys: dict[KeyPath, Mark] = field(default_factory=dict)
    values: dict[KeyPath, Mark] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    entries_of: dict[int, dict[str, tuple[Mark, Node]]] = field(default_factory=dict)

    def value(self, node: Node | None, path: KeyPath) -> Any:
        mark = self.values[path] = self._place(node, path)
        if len(path) > _MAX_DEPTH:
            raise SpecError((mark.finding(f"nested deeper than {_MAX_DEPTH} levels", path[:3]),))
        if len(self.values) > _MAX_VALUES:
            raise SpecError((mark.finding(f"more than {_MAX_VALUES} values, counting what aliases repeat"),))
        match node:
            case MappingNode():
                return self._map(node, path)
            case SequenceNode():
                return [self.value(below, (*path, index)) for index, below in enumerate(node.value)]
            case ScalarNode():
                return self._scalar(node, path)
        return None

    def _map(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        entries = self._entries(node, path)
        self.keys.update({(*path, key): mark for key, (mark, _) in entries.items()})
        return {key: self.value(below, (*path, key)) for key, (_, below) in entries.items()}

    def _entries(self, node: MappingNode, path: KeyPath) -> dict[str, tuple[Mark, Node]]:
        """The entries of a map; those that it merges come first, so that its own replace them."""
        if id(node) not in self.entries_of:
            self.entries_of[id(node)] = {}  # what a map that merges itself finds
            self.entries_of[id(node)] = self._merged(node, path) | self._own(node, path)
        return self.entries_of[id(node)]

    def _own(self, node: MappingNode, path: KeyPath) -> dict[str, tuple[Mark, Node]]:
        entries: dict[str, tuple[Mark, Node]] = {}
        for key, below in node.value:
            if key.tag == _MERGE:
                continue
            mark = self._mark(key)
            if not isinstance(key, ScalarNode) or key.tag not in _TEXTS or not key.value.isprintable():
                problem = "a key must be plain text; put a number in quotes"
                self.findings.append(mark.finding(problem, path))
            elif key.value in entries:
                first = entries[key.value][0].line
                problem = f"this key is already on line {first}; remove one of the two"
                self.findings.append(mark.finding(problem, (*path, key.value)))
            else:
                entries[key.value] = mark, below
        return entries

    def _merged(self, node: MappingNode, path: KeyPath) -> dict[str, tuple[Mark, Node]]:
        entries: dict[str, tuple[Mark, Node]] = {}
        for key, below in node.value:
            if key.tag != _MERGE:
                continue
            for source in below.value if isinstance(below, SequenceNode) else [below]:
                if isinstance(source, MappingNode):
                    entries = self._entries(source, path) | entries
                else:
                    self.findings.append(self._mark(source).finding("only a map can be merged", path))
        return entries

    def _scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        mark = self._mark(node)
        if node.tag not in _TEXTS | _SCALARS:
            self.findings.append(mark.finding(f"the tag {node.tag} has no meaning here; remove it", path))
            return node.value
        try:
            value = node.value if node.tag in _TEXTS else plain_scalar(node)
            str(value).encode()  # refuses half a surrogate pair, and integers too long for Python to print
        except ValueError:
            kind = node.tag.removeprefix(_TAG)
            self.findings.append(mark.finding(f"this cannot be read as YAML's {kind}", path))
            return node.value
        return value

    def _place(self, node: Node | None, path: KeyPath) -> Mark:
        # An empty value has no place of its own: the parser puts it where the next token starts.
        if node is None or (isinstance(node, ScalarNode) and not node.value and node.style is None):
            return self.keys.get(path, self.values.get(path[:-1], Mark(self.file)))
        return self._mark(node)

    def _mark(self, node: Node) -> Mark:
        return Mark(self.file, node.start_mark.line + 1, node.start_mark.column + 1)
