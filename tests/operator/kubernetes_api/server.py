"""The objects, their versions and the log of their changes; requests in, answers out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from raytide.manifests.kinds import LEASE, RENDERED, Kind
from raytide.manifests.validate.schemas import carried
from raytide.manifests.validate.structure import structure

from .fields import FieldConflict, applied, updated
from .fields import merged as merge_patched
from .rules import changed_immutable, defaulted

Key = tuple[str, str, str]
"""Plural, namespace, name."""
_PAGE_LIFE = 10_000


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    content_type: str = "application/json"
    body: Any = None
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    lines: Iterator[bytes] | None = None
    """Of a watch, in the place of the body."""


class Refusal(Exception):
    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(frozen=True, slots=True)
class _Event:
    version: int
    event: str
    plural: str
    one: dict[str, Any]


@dataclass
class Server:
    kinds: tuple[Kind, ...] = (*RENDERED, LEASE)
    """Those whose CRDs are there."""
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """None of them is changed: whatever changes puts another one in its place."""
    version: int = 100
    oldest: int = 100
    """Changes before this version are forgotten."""
    log: list[_Event] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    is_closing: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, request: Request) -> Answer:
        with self.changed:
            self.requests.append(request)
            try:
                return self._route(request)
            except Refusal as error:
                return status(error.status, error.reason, str(error))

    def _route(self, request: Request) -> Answer:
        kind, namespace, name = self._place(request.path)
        match request.method, bool(name):
            case "GET", False if request.query.get("watch") == "true":
                return self._watch(kind, namespace, request.query)
            case "GET", False:
                return self._list(kind, namespace, request.query)
            case "GET", True:
                return Answer(200, self._one(kind, namespace, name))
            case "POST", False:
                return Answer(201, self._create(kind, namespace, request))
            case "PUT", True:
                return Answer(200, self._replace(kind, namespace, name, request))
            case "PATCH", True:
                return Answer(200, self._patch(kind, namespace, name, request))
            case "DELETE", True:
                return self._delete(kind, namespace, name, request.body or {})
        raise Refusal(405, "MethodNotAllowed", f"{request.method} is not allowed here")

    def _place(self, path: str) -> tuple[Kind, str, str]:
        """Kind, namespace and name of a path, the last two empty where it has none."""
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        is_within = rest[0] == "namespaces" and len(rest) > 2
        namespace, rest = (rest[1], rest[2:]) if is_within else ("", rest)
        for kind in self.kinds:
            if (kind.group, kind.version, kind.plural, kind.is_namespaced) == (group, version, rest[0], is_within):
                return kind, namespace, rest[1] if len(rest) > 1 else ""
        raise Refusal(404, "NotFound", "the server could not find the requested resource")

    def _one(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        found = self.objects.get((kind.plural, namespace, name))
        if found is None:
            raise Refusal(404, "NotFound", f'{kind.plural} "{name}" not found')
        return found

    def _list(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> Answer:
        found = [one for key, one in sorted(self.objects.items()) if key[:2] == (kind.plural, namespace)]
        found = [one for one in found if _selected(one, query.get("labelSelector", ""))]
        start, version = 0, self.version
        if token := query.get("continue"):
            version, start = map(int, token.split("-"))
            if version < self.oldest:
                raise Refusal(410, "Expired", "The provided continue parameter is too old")
        end = start + int(query.get("limit", 0) or _PAGE_LIFE)
        metadata = {"resourceVersion": str(version)}
        if end < len(found):
            metadata["continue"] = f"{version}-{end}"
        items = [_untyped(one) for one in found[start:end]]
        return Answer(200, {"kind": f"{kind.kind}List", "apiVersion": "v1", "metadata": metadata, "items": items})

    def _create(self, kind: Kind, namespace: str, request: Request) -> dict[str, Any]:
        body = self._checked(kind, namespace, request.body)
        name = body["metadata"]["name"]
        if kind.is_namespaced and ("namespaces", "", namespace) not in self.objects:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if (kind.plural, namespace, name) in self.objects:
            raise Refusal(409, "AlreadyExists", f'{kind.plural} "{name}" already exists')
        if "resourceVersion" in body["metadata"]:
            raise Refusal(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        body["metadata"] |= {"uid": f"uid-{self.version + 1}", "generation": 1}
        body = updated(None, body, request.query.get("fieldManager") or request.agent or "unknown")
        return self._store(kind, namespace, defaulted(body), "ADDED")

    def _replace(self, kind: Kind, namespace: str, name: str, request: Request) -> dict[str, Any]:
        live = self._one(kind, namespace, name)
        body = self._checked(kind, namespace, request.body)
        self._require_same(live, body["metadata"])
        body["metadata"] = {**body["metadata"], "uid": live["metadata"]["uid"]}
        body["metadata"].setdefault("managedFields", live["metadata"].get("managedFields", []))
        return self._write(kind, namespace, live, updated(live, body, _manager(request)))

    def _patch(self, kind: Kind, namespace: str, name: str, request: Request) -> dict[str, Any]:
        if request.content_type == "application/apply-patch+yaml":
            return self._apply(kind, namespace, name, request)
        if request.content_type != "application/merge-patch+json":
            raise Refusal(415, "UnsupportedMediaType", f"{request.content_type} is not supported")
        live = self._one(kind, namespace, name)
        self._require_same(live, request.body.get("metadata", {}))
        after = merge_patched(deepcopy(live), request.body)
        return self._write(kind, namespace, live, updated(live, after, _manager(request)))

    def _apply(self, kind: Kind, namespace: str, name: str, request: Request) -> dict[str, Any]:
        if "fieldManager" not in request.query:
            raise Refusal(400, "BadRequest", "fieldManager is required for apply patch")
        body = self._checked(kind, namespace, request.body)
        if "managedFields" in body["metadata"]:
            raise Refusal(400, "BadRequest", "metadata.managedFields must be nil")
        live = self.objects.get((kind.plural, namespace, name))
        if live is None:  # it would be made, but for the uid that a new object cannot have
            raise Refusal(409, "Conflict", "uid mismatch: the object does not exist")
        self._require_same(live, body["metadata"])
        try:
            force = request.query.get("force") == "true"
            after = applied(live, body, request.query["fieldManager"], force=force)
        except FieldConflict as error:
            raise Refusal(409, "Conflict", f"Apply failed with conflicts: {error}") from error
        return self._write(kind, namespace, live, after)

    def _delete(self, kind: Kind, namespace: str, name: str, options: Mapping[str, Any]) -> Answer:
        live = self._one(kind, namespace, name)
        self._require_same(live, options.get("preconditions", {}))
        if options.get("propagationPolicy", "Background") not in ("Background", "Foreground", "Orphan"):
            raise Refusal(422, "Invalid", "propagationPolicy: Unsupported value")
        del self.objects[kind.plural, namespace, name]
        self._happened("DELETED", kind, {**live, "metadata": {**live["metadata"]}})
        return status(200, "Success", "", "Success")

    def _require_same(self, live: Mapping[str, Any], meant: Mapping[str, Any]) -> None:
        for key in ("uid", "resourceVersion"):
            if meant.get(key) not in (None, live["metadata"][key]):
                says = "the object has been modified; please apply your changes to the latest version and try again"
                raise Refusal(409, "Conflict", f"Operation cannot be fulfilled: {key}: {says}")

    def _checked(self, kind: Kind, namespace: str, body: Any) -> dict[str, Any]:
        body = deepcopy(body)
        version = f"{kind.group}/{kind.version}" if kind.group else kind.version
        if not isinstance(body, dict) or (body.get("apiVersion"), body.get("kind")) != (version, kind.kind):
            raise Refusal(400, "BadRequest", f"the object provided is no {version} {kind.kind}")
        if kind.is_namespaced and body["metadata"].get("namespace", namespace) != namespace:
            raise Refusal(400, "BadRequest", "the namespace of the object does not match the namespace on the request")
        if problems := _problems(body):
            raise Refusal(422, "Invalid", f'{kind.kind} "{body["metadata"].get("name")}" is invalid: {problems}')
        return body

    def _write(self, kind: Kind, namespace: str, live: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
        after = defaulted(after)
        if field_ := changed_immutable(live, after):
            raise Refusal(422, "Invalid", f"{field_}: Invalid value: field is immutable")
        if _content(after) == _content(live) and _managed(after) == _managed(live):
            return live
        if after.get("spec") != live.get("spec"):
            after["metadata"]["generation"] = live["metadata"]["generation"] + 1
        return self._store(kind, namespace, after, "MODIFIED")

    def _store(self, kind: Kind, namespace: str, one: dict[str, Any], event: str) -> dict[str, Any]:
        self.objects[kind.plural, namespace, one["metadata"]["name"]] = one
        self._happened(event, kind, one)
        return one

    def _happened(self, event: str, kind: Kind, one: dict[str, Any]) -> None:
        self.version += 1
        one["metadata"]["resourceVersion"] = str(self.version)
        self.log.append(_Event(self.version, event, kind.plural, one))
        self.changed.notify_all()

    def _watch(self, kind: Kind, namespace: str, query: Mapping[str, str]) -> Answer:
        since = int(query.get("resourceVersion") or self.version)
        if since < self.oldest:
            return Answer(200, None, lines=iter([_line("ERROR", status(410, "Expired", "too old").body)]))
        seconds = min(float(query.get("timeoutSeconds", 1)), 5.0)
        return Answer(200, None, lines=self._events(kind, namespace, query.get("labelSelector", ""), since, seconds))

    def _events(self, kind: Kind, namespace: str, selector: str, since: int, seconds: float) -> Iterator[bytes]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.is_closing:
            with self.changed:
                if since < self.oldest:
                    new, now = [], self.version
                    expired = True
                else:
                    new, now, expired = [one for one in self.log if one.version > since], self.version, False
                    if not new:
                        self.changed.wait(0.05)
            if expired:
                yield _line("ERROR", status(410, "Expired", "too old resource version").body)
                return
            for one in new:
                is_here = one.one["metadata"].get("namespace", "") == namespace and one.plural == kind.plural
                if is_here and _selected(one.one, selector):
                    yield _line(one.event, one.one)
            if new:
                since = now
                yield _line("BOOKMARK", {"kind": kind.kind, "metadata": {"resourceVersion": str(now)}})

    def forget(self) -> None:
        """Compaction: what was watched or listed before is gone."""
        with self.changed:
            self.oldest, self.log = self.version, []
            self.changed.notify_all()

    def act(self, kind: str, name: str, change: Callable[[dict[str, Any]], None], manager: str) -> None:
        """Somebody else, such as a controller, changes an object; its status, too."""
        with self.changed:
            for (plural, namespace, one_name), live in list(self.objects.items()):
                if (live["kind"], one_name) == (kind, name):
                    after = deepcopy(live)
                    change(after)
                    self._write(_kind_named(plural), namespace, live, updated(live, after, manager))

    def close(self) -> None:
        self.is_closing = True
        with self.changed:
            self.changed.notify_all()


def status(code: int, reason: str, message: str, says: str = "Failure") -> Answer:
    body = {"kind": "Status", "apiVersion": "v1", "status": says, "reason": reason, "message": message, "code": code}
    return Answer(code, body)


_VALID: dict[str, str] = {}


def _problems(body: dict[str, Any]) -> str:
    """By the schemas of Kubernetes and KubeRay; sequences send the same bodies again and again."""
    text = json.dumps({**body, "metadata": body["metadata"].get("labels")}, sort_keys=True)
    if text not in _VALID:
        _VALID[text] = "; ".join(f"{problem.path}: {problem.problem}" for problem in structure(body, carried()))
    return _VALID[text]


def _kind_named(plural: str) -> Kind:
    return next(kind for kind in (*RENDERED, LEASE) if kind.plural == plural)


def _manager(request: Request) -> str:
    return request.query.get("fieldManager") or request.agent or "unknown"


def _content(one: Mapping[str, Any]) -> Any:
    metadata = {key: value for key, value in one["metadata"].items() if key not in ("managedFields", "resourceVersion")}
    return {**one, "metadata": metadata}


def _managed(one: Mapping[str, Any]) -> Any:
    return sorted(json.dumps(entry, sort_keys=True) for entry in one["metadata"].get("managedFields", []))


def _untyped(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in ("kind", "apiVersion")}


def _selected(one: Mapping[str, Any], selector: str) -> bool:
    labels = one["metadata"].get("labels") or {}
    return all(labels.get(term.split("=")[0]) == term.split("=")[1] for term in selector.split(",") if term)


def _line(event: str, one: Any) -> bytes:
    return json.dumps({"type": event, "object": one}).encode() + b"\n"
