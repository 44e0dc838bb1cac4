from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from kubernetes import client

from raytide.manifests.kinds import CONFIG_MAP, kind_of
from raytide.operator.adapters.kubernetes.api import KubernetesServer
from raytide.operator.reconcile.api import Conflict, Gone, Refused, Unavailable
from raytide.operator.reconcile.ownership import claimed
from raytide.operator.reconcile.step import Object, Step, Verb, identity_of

from ..kubernetes_api.server import Answer, Request, Server
from ..kubernetes_api.transport import served

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}


def config_map(name: str = "panels", **data: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "raytide", "app.kubernetes.io/instance": "team"}
    metadata = {"name": name, "namespace": "ml", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def create(one: Object) -> Step:
    return Step(verb=Verb.CREATE, identity=identity_of(one), body=one)


def step(verb: Verb, live: Any, body: Object | None) -> Step:
    metadata = live["metadata"]
    return Step(
        verb=verb,
        identity=identity_of(live),
        body=body,
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
    )


class Faulty:
    """The server behind a network: `next` is what the next request meets instead of it."""

    def __init__(self) -> None:
        self.server = Server()
        self.next: Callable[[Request], Answer | None] | None = None

    def __call__(self, request: Request) -> Answer | None:
        fault, self.next = self.next, None
        return fault(request) if fault else self.server.answer(request)


@pytest.fixture
def faulty() -> Faulty:
    return Faulty()


@pytest.fixture
def api(faulty: Faulty) -> Iterator[KubernetesServer]:
    with served(faulty.server, faulty) as address:
        settings = client.Configuration(host=address)
        settings.retries = False
        found = KubernetesServer(client.ApiClient(settings), "ml", "team")
        found.send(create(NAMESPACE))
        yield found


def _found(api: KubernetesServer, name: str = "panels") -> Any:
    return api.find(CONFIG_MAP, name)


def test_what_is_created_is_listed_with_its_kind_and_found_by_its_name(api: KubernetesServer) -> None:
    api.send(create(config_map(a="1")))
    (one,) = api.listing(CONFIG_MAP).objects
    assert (one["kind"], one["apiVersion"], one["data"]) == ("ConfigMap", "v1", {"a": "1"})
    assert _found(api)["data"] == {"a": "1"}
    assert _found(api, "others") is None


def test_what_does_not_carry_the_platforms_labels_is_not_listed(api: KubernetesServer) -> None:
    theirs = config_map()
    theirs["metadata"]["labels"]["app.kubernetes.io/instance"] = "other"
    api.send(create(theirs))
    assert api.listing(CONFIG_MAP).objects == ()


def test_long_lists_come_in_pages(api: KubernetesServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raytide.operator.adapters.kubernetes.api._PAGE", 2)
    for number in range(5):
        api.send(create(config_map(f"panels-{number}")))
    assert len(api.listing(CONFIG_MAP).objects) == 5


def test_a_page_that_has_expired_is_a_failure_that_passes(api: KubernetesServer, faulty: Faulty) -> None:
    faulty.next = lambda _: Answer(410, {"message": "the provided continue parameter is too old"})
    with pytest.raises(Unavailable):
        api.listing(CONFIG_MAP)


def test_a_kind_that_the_cluster_does_not_know_lists_none_and_refuses_to_be_made(
    api: KubernetesServer, faulty: Faulty
) -> None:
    faulty.server.kinds = tuple(kind for kind in faulty.server.kinds if kind.kind != "ConfigMap")
    assert api.listing(CONFIG_MAP).objects == ()
    with pytest.raises(Refused, match="CRD"):
        api.send(create(config_map()))


def test_applying_sets_our_fields_and_leaves_what_others_have_set(api: KubernetesServer, faulty: Faulty) -> None:
    api.send(create(config_map(a="1")))
    faulty.server.act("ConfigMap", "panels", lambda one: one["data"].update(theirs="x"), "grafana")
    api.send(step(Verb.APPLY, _found(api), config_map(a="2")))
    assert _found(api)["data"] == {"a": "2", "theirs": "x"}


def test_a_field_that_somebody_else_has_taken_is_taken_back(api: KubernetesServer, faulty: Faulty) -> None:
    api.send(create(config_map(a="1")))
    faulty.server.act("ConfigMap", "panels", lambda one: one["data"].update(a="x"), "kubectl-edit")
    api.send(step(Verb.APPLY, _found(api), config_map(a="1")))
    assert _found(api)["data"] == {"a": "1"}


def test_without_a_claim_a_field_that_is_no_more_applied_would_stay(api: KubernetesServer) -> None:
    for name in ("as-it-is", "claimed"):
        api.send(create(config_map(name, a="1", b="1")))
    api.send(step(Verb.APPLY, _found(api, "as-it-is"), config_map("as-it-is", a="1")))
    assert _found(api, "as-it-is")["data"] == {"a": "1", "b": "1"}
    live = _found(api, "claimed")
    api.send(replace(step(Verb.APPLY, live, config_map("claimed", a="1")), owners=claimed(live)))
    assert _found(api, "claimed")["data"] == {"a": "1"}
    assert claimed(_found(api, "claimed")) is None


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.DELETE])
def test_an_object_that_has_changed_since_it_was_planned_for_is_a_conflict(
    api: KubernetesServer, faulty: Faulty, verb: Verb
) -> None:
    api.send(create(config_map(a="1")))
    before = _found(api)
    faulty.server.act("ConfigMap", "panels", lambda one: one["data"].update(b="x"), "grafana")
    with pytest.raises(Conflict):
        api.send(step(verb, before, config_map(a="2") if verb is not Verb.DELETE else None))
    assert _found(api)["data"] == {"a": "1", "b": "x"}


@pytest.mark.parametrize("verb", [Verb.APPLY, Verb.DELETE])
def test_an_object_of_the_same_name_that_was_made_since_is_not_touched(api: KubernetesServer, verb: Verb) -> None:
    api.send(create(config_map(a="1")))
    before = _found(api)
    api.send(step(Verb.DELETE, before, None))
    api.send(create(config_map(a="theirs")))
    with pytest.raises(Conflict):
        api.send(step(verb, before, config_map(a="2") if verb is not Verb.DELETE else None))
    assert _found(api)["data"] == {"a": "theirs"}


def test_what_is_deleted_already_needs_no_deletion_and_is_no_more_changed(api: KubernetesServer) -> None:
    api.send(create(config_map(a="1")))
    before = _found(api)
    api.send(step(Verb.DELETE, before, None))
    api.send(step(Verb.DELETE, before, None))
    with pytest.raises(Conflict):
        api.send(step(Verb.APPLY, before, config_map(a="2")))


def test_a_name_that_is_taken_is_a_conflict(api: KubernetesServer) -> None:
    api.send(create(config_map(a="theirs")))
    with pytest.raises(Conflict):
        api.send(create(config_map(a="1")))
    assert _found(api)["data"] == {"a": "theirs"}


def test_what_the_server_takes_for_invalid_is_refused_in_its_words(api: KubernetesServer) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x", "namespace": "ml"},
        "spec": {"mistake": 1},
    }
    with pytest.raises(Refused, match="mistake"):
        api.send(create(job))


@pytest.mark.parametrize(
    ("status", "error"), [(403, Refused), (409, Conflict), (429, Unavailable), (500, Unavailable), (503, Unavailable)]
)
def test_each_way_of_saying_no_is_told_apart(
    api: KubernetesServer, faulty: Faulty, status: int, error: type[Exception]
) -> None:
    faulty.next = lambda _: Answer(status, {"message": "because"}, {"Retry-After": "7"})
    with pytest.raises(error, match="because") as raised:
        api.send(create(config_map()))
    if isinstance(raised.value, Unavailable):
        assert raised.value.retry_after_s == 7.0
    assert len([one for one in faulty.server.requests if one.method == "POST"]) == 1  # the client retries nothing


def test_a_connection_that_is_dropped_is_no_answer(api: KubernetesServer, faulty: Faulty) -> None:
    faulty.next = lambda _: None
    with pytest.raises(Unavailable, match="no answer"):
        api.send(create(config_map()))


def test_what_is_no_api_server_is_said_to_be_none(api: KubernetesServer, faulty: Faulty) -> None:
    faulty.next = lambda _: Answer(200, None, lines=iter([b"<html>a proxy</html>"]))
    with pytest.raises(Unavailable, match="no Kubernetes API server"):
        api.find(CONFIG_MAP, "panels")


def test_a_watch_says_what_happened_since_a_listing_and_how_far_it_has_come(
    api: KubernetesServer, faulty: Faulty
) -> None:
    since = api.listing(CONFIG_MAP).version
    api.send(create(config_map(a="1")))
    api.send(create({**config_map("theirs"), "metadata": {"name": "theirs", "namespace": "ml"}}))
    api.send(step(Verb.DELETE, _found(api), None))
    watch = api.changes(CONFIG_MAP, since)
    seen = [next(watch) for _ in range(3)]
    assert [one.event for one in seen] == ["ADDED", "DELETED", "BOOKMARK"]
    assert seen[-1].version == str(faulty.server.version)


def test_a_watch_from_too_long_ago_is_gone(api: KubernetesServer, faulty: Faulty) -> None:
    since = api.listing(CONFIG_MAP).version
    api.send(create(config_map(a="1")))
    faulty.server.forget()
    with pytest.raises(Gone):
        list(api.changes(CONFIG_MAP, since))


def test_a_watch_that_is_cut_off_within_a_line_is_no_answer(api: KubernetesServer, faulty: Faulty) -> None:
    faulty.next = lambda _: Answer(200, None, lines=iter([b'{"type": "ADD\n']))
    with pytest.raises(Unavailable):
        list(api.changes(CONFIG_MAP, "1"))


def test_every_kind_that_is_rendered_has_a_place(desired: Callable[[str], tuple[Object, ...]]) -> None:
    for edit in ("as it was", "a scheduled job"):
        assert all(kind_of(one).kind == one["kind"] for one in deepcopy(desired(edit)))
