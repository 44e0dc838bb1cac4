"""Objects as YAML text: the same bytes for the same object, comments above what they are about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, Final

from raytide.core.spec.mark import KeyPath
from raytide.manifests.traced import Rendered

MARK: Final = "# Written by `raytide manifests render`: change the declared files, and render again."
_WIDTH: Final = 100_000  # a folded line is harder to read than a long one, and to compare


def yaml_text(value: Any) -> str:
    """A plain value as YAML."""
    return _dumped(_round_trip(value, (), {}))


def file_text(rendered: Rendered) -> str:
    """The file of an object: who wrote it, what it is, and the object with its comments."""
    header = "".join(f"# {line}".rstrip() + "\n" for line in rendered.header.splitlines())
    body = _dumped(_round_trip(rendered.value, (), rendered.comments))
    return f"{MARK}\n{header}{body}"


def _dumped(tree: Any) -> str:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda *_: True
    text = StringIO()
    yaml.dump(tree, text)
    return text.getvalue()


def _round_trip(value: Any, path: KeyPath, comments: Mapping[KeyPath, str]) -> Any:
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, Mapping):
        tree = CommentedMap((_scalar(key), _round_trip(below, (*path, key), comments)) for key, below in value.items())
        for key in value:
            if comment := comments.get((*path, key)):
                tree.yaml_set_comment_before_after_key(key, before=comment, indent=2 * len(path))
        return tree
    if isinstance(value, list):
        return CommentedSeq(_round_trip(below, (*path, index), comments) for index, below in enumerate(value))
    return _scalar(value) if isinstance(value, str) else value


_ELEVEN: Final = re.compile(
    r"(?i)(y|n|yes|no|on|off|true|false|null|~|=|[-+]?(0b[01_]+|[.0-9][0-9_:.]*(e[-+]?[0-9]+)?))"
)
"""What YAML 1.1, which Kubernetes' tools read, takes for numbers and truths where YAML 1.2 does not."""


def _scalar(text: str) -> str:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    is_plain = not _ELEVEN.fullmatch(text) and re.sub(r"[\n\t]", "", text).isprintable()
    style = DoubleQuotedScalarString if not is_plain else LiteralScalarString if "\n" in text else str
    return style(text)
