"""The content that an object was applied with, as an annotation of it.

Whether a live object holds what is desired says nothing of what is desired no more: a node selector that is taken out
of a pool is still there, and looks like something that Kubernetes or somebody else has added. With the content's hash
beside it, an edit is a difference, and server-side apply removes what is not sent any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from raytide.operator.reconcile.lifetime import is_named_for_its_content
from raytide.operator.reconcile.step import Object

ANNOTATION: Final = "raytide.io/content"


def stamped(desired: Iterable[Object]) -> tuple[Object, ...]:
    """The objects with their stamps; those that are named for their content need none."""
    return tuple(one if is_named_for_its_content(one) else _stamped(one) for one in desired)


def generation(desired: Iterable[Object]) -> str:
    """What stands for all of it in a status: it changes where any object does."""
    return _hash(list(desired))


def _stamped(one: Object) -> Object:
    metadata = one["metadata"]
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION: _hash(one)}
    return {**one, "metadata": {**metadata, "annotations": annotations}}


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
