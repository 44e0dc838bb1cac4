"""Secrets that stand in a file: whoever reads the file has them, and its history keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from raytide.core.spec.mark import KeyPath
from raytide.core.url import has_password
from raytide.manifests.validate.problem import Object, Problem, at

_NAME: Final = re.compile(r"(?i)(^|_)(token|password|passwd|secret|api_?key|access_key|private_key|credentials?)$")
_TEXT: Final = re.compile(r"hf_[A-Za-z0-9]{20}|sk-[A-Za-z0-9_-]{20}|AKIA[A-Z0-9]{16}|-----BEGIN [A-Z ]*PRIVATE KEY")


def secrets(document: Object) -> Iterator[Problem]:
    """Each of them."""
    if document.get("kind") == "Secret" and (document.get("data") or document.get("stringData")):
        key = "stringData" if document.get("stringData") else "data"
        expected = "a Secret that a secret store keeps, and here its name"
        yield Problem(path=(key,), problem="a secret in a file", expected=expected)
        return
    for path, text in _texts(document, ()):
        is_variable = path[-1:] == ("value",) and "env" in path
        name = str(at(document, *path[:-1], "name")) if is_variable else ""
        if _NAME.search(name) and text:
            expected = "valueFrom: {secretKeyRef: {name: …, key: …}}"
            yield Problem(path=path, problem=f"a secret in a file: {name}", expected=expected)
        elif _TEXT.search(text) or has_password(text):
            yield Problem(path=path, problem="a secret in a file", expected="the name of a Secret that holds it")


def _texts(tree: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _texts(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _texts(value, (*path, index))
