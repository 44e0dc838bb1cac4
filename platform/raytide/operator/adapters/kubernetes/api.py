"""One namespace of a Kubernetes cluster over HTTP, by paths and plain objects.

The typed classes of the client know no kind of KubeRay, and would drop fields of servers newer than they are; its
discovery asks for every group that a cluster has. What is used of it is what it does well: kubeconfigs, credentials
that expire, and TLS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from raytide.manifests.kinds import Kind, kind_of
from raytide.operator.adapters.kubernetes.answers import error_of, translated
from raytide.operator.reconcile.api import Change, Conflict, Gone, Listing, Refused, Unavailable
from raytide.operator.reconcile.ownership import MANAGER, labels_of
from raytide.operator.reconcile.step import Object, Step, Verb

TIMEOUT_S: Final = 30
WATCH_S: Final = 300
"""After which a watch is begun anew, so that one which died unnoticed is not trusted for longer."""
_PAGE: Final = 500
_APPLY: Final = "application/apply-patch+yaml"  # of which JSON is a part
_MERGE: Final = "application/merge-patch+json"


class KubernetesServer:
    """A namespace as the reconciler uses it, for one platform."""

    def __init__(self, client: Any, namespace: str, platform: str) -> None:
        self._client = client
        self._namespace = namespace
        self._selector = ",".join(f"{key}={value}" for key, value in labels_of(platform).items())

    def listing(self, kind: Kind) -> Listing:
        """The platform's objects of a kind, page by page; none where the cluster knows no such kind."""
        found: list[Object] = []
        page = self._page(kind, None)
        while page is not None:
            found += [_typed(one, kind) for one in page["items"]]
            if not page["metadata"].get("continue"):
                return Listing(tuple(found), str(page["metadata"]["resourceVersion"]))
            page = self._page(kind, page["metadata"]["continue"])
        return Listing((), "0")

    def _page(self, kind: Kind, token: str | None) -> dict[str, Any] | None:
        query = {"labelSelector": self._selector, "limit": _PAGE, **({"continue": token} if token else {})}
        try:
            return self._request_or_none("GET", kind.path(self._namespace), query)
        except Gone as error:  # between two pages; the next turn begins with the first one
            raise Unavailable(str(error)) from error

    def find(self, kind: Kind, name: str) -> Object | None:
        """One object, whosever it is; None where there is none."""
        return self._request_or_none("GET", kind.path(self._namespace, name))

    def send(self, step: Step) -> None:
        """Do what a step asks for, of the very object that it was planned for."""
        kind, (*_, name) = kind_of(step.identity), step.identity
        path = kind.path(self._namespace, name)
        meant = {"uid": step.uid, "resourceVersion": step.resource_version}
        mine = {"fieldManager": MANAGER}
        match step.verb:
            case Verb.CREATE:
                _content(self._call("POST", kind.path(self._namespace), mine, step.body))
            case Verb.APPLY:
                if step.owners is not None:
                    owners = {"metadata": {**meant, "managedFields": step.owners}}
                    meant = _meant(self._change("PATCH", path, mine, owners, _MERGE))
                # Forced: a field that we declare is ours, whoever wrote it last.
                self._change("PATCH", path, {**mine, "force": "true"}, _with_metadata(step.body, meant), _APPLY)
            case Verb.DELETE:
                options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": meant, **(step.body or {})}
                self._request_or_none("DELETE", path, {}, options)

    def replace(self, one: Object) -> None:
        """Write an object of the operator's own, at the version that it carries."""
        path = kind_of(one).path(self._namespace, one["metadata"]["name"])
        self._change("PUT", path, {"fieldManager": MANAGER}, one)

    def changes(self, kind: Kind, since: str) -> Iterator[Change]:
        """Changes as they happen, with bookmarks; ends with the server's patience."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": self._selector,
            "resourceVersion": since,
            "timeoutSeconds": WATCH_S,
        }
        answer = self._call("GET", kind.path(self._namespace), query, timeout_s=WATCH_S + TIMEOUT_S)
        with translated():
            try:
                yield from _events(answer, kind)
            finally:
                answer.close()
                answer.release_conn()

    def _change(
        self, method: str, path: str, query: Mapping[str, str], body: Object, content_type: str = "application/json"
    ) -> dict[str, Any]:
        try:
            return _content(self._call(method, path, query, body, content_type))
        except _NotFound as error:
            raise Conflict(f"{path} was deleted meanwhile") from error

    def _request_or_none(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Object | None = None
    ) -> dict[str, Any] | None:
        """The answer; None where there is nothing of that name, or no such kind."""
        try:
            return _content(self._call(method, path, query or {}, body))
        except _NotFound:
            return None

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | None = None,
        content_type: str = "application/json",
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """The answer, whose content is not read yet."""
        from kubernetes.client.exceptions import NotFoundException

        with translated():
            try:
                return self._client.call_api(
                    path,
                    method,
                    query_params=list(query.items()),
                    header_params={"Accept": "application/json", "Content-Type": content_type},
                    body=body,
                    auth_settings=["BearerToken"],
                    _preload_content=False,
                    _request_timeout=(TIMEOUT_S, timeout_s),
                )
            except NotFoundException as error:
                missing = "the object, its namespace, or the CRD of its kind"
                raise _NotFound(f"the cluster has no {path} (404): {missing} is missing") from error


class _NotFound(Refused):
    """There is nothing of that name, or no such kind."""


def _content(answer: Any) -> dict[str, Any]:
    with translated():
        text = answer.data
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise Unavailable("what answers is no Kubernetes API server, or was cut off") from error
    return found


def _events(answer: Any, kind: Kind) -> Iterator[Change]:
    rest = b""
    for chunk in answer.stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (_change(line, kind) for line in lines if line.strip())


def _change(line: bytes, kind: Kind) -> Change:
    try:
        event = json.loads(line)
    except ValueError as error:
        raise Unavailable("a watch was cut off") from error
    if event["type"] == "ERROR":
        status = event["object"]
        raise error_of(int(status.get("code") or 0), str(status.get("message", "")), {})
    return Change(event["type"], _typed(event["object"], kind))


def _typed(one: Object, kind: Kind) -> Object:
    """Items of a list say neither their kind nor its version."""
    version = f"{kind.group}/{kind.version}" if kind.group else kind.version
    return {"apiVersion": version, "kind": kind.kind, **one}


def _meant(one: Object) -> dict[str, str | None]:
    """What tells an object from another one of its name, and this version of it from others."""
    return {key: one["metadata"][key] for key in ("uid", "resourceVersion")}


def _with_metadata(body: Object | None, more: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(body or {})
    return {**whole, "metadata": {**whole.get("metadata", {}), **more}}
