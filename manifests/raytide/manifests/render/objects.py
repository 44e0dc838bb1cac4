"""All objects of a platform, in the order in which they can be applied.

They are two parts because they change at different times. To Kubernetes the worker groups of a RayCluster are one value
(the list has no merge keys in KubeRay 1.7.0, and `replicas` defaults to 0), so whoever sends the whole RayCluster again
also sends the sizes that the autoscaler has changed since. A service or a job that is edited must not do that.
"""

from __future__ import annotations

from raytide.manifests.platform import Platform
from raytide.manifests.render.accounts import accounts
from raytide.manifests.render.apply import appliers
from raytide.manifests.render.dashboard import dashboard
from raytide.manifests.render.disruption import budgets
from raytide.manifests.render.jobs import jobs
from raytide.manifests.render.monitoring import alert_rules, pod_monitor
from raytide.manifests.render.names import metadata
from raytide.manifests.render.network import network_policy
from raytide.manifests.render.raycluster import ray_cluster
from raytide.manifests.render.route import routes
from raytide.manifests.render.storage import claims
from raytide.manifests.traced import Rendered, came


def objects(platform: Platform) -> tuple[Rendered, ...]:
    """Those of the cluster, then those of what runs on it."""
    return (*cluster_objects(platform), *workload_objects(platform))


def cluster_objects(platform: Platform) -> tuple[Rendered, ...]:
    """What the cluster file alone says: namespace, accounts and volumes first, and then the cluster."""
    return (
        _namespace(platform),
        *accounts(platform),
        *claims(platform),
        network_policy(platform),
        *budgets(platform),
        ray_cluster(platform),
        *routes(platform),
        *pod_monitor(platform),
        *dashboard(platform),
    )


def workload_objects(platform: Platform) -> tuple[Rendered, ...]:
    """What services and jobs say."""
    return (*alert_rules(platform), *appliers(platform), *jobs(platform))


def _namespace(platform: Platform) -> Rendered:
    name = came(platform.kubernetes.namespace, platform.at("namespace"))
    within = {key: value for key, value in metadata(platform, name).items() if key != "namespace"}
    standard = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    tree = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            **within,
            "labels": within["labels"] | standard,
            "annotations": {"argocd.argoproj.io/sync-options": "Prune=false"},
        },
    }
    return Rendered.of(tree, platform.at("namespace"), "Pods that could be root, or reach the node, are refused here.")
