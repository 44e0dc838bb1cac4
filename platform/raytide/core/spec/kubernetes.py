"""How a cluster lies on Kubernetes: the part of `kind: Cluster` that only `raytide manifests` reads.

Names and sizes only: a key, token or password is the name of a Secret that somebody else keeps.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from raytide.core.spec.base import Name, Strict
from raytide.core.units import Bytes, Seconds

_LABEL = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"

Label = Annotated[str, Field(pattern=_LABEL)]
"""The value of a label."""
Url = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s@]*)?$")]
"""Without a user or a password, which manifests would show."""


class Toleration(Strict):
    """A taint that pods of a pool may be placed on."""

    key: str = Field(min_length=1)
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Every effect where unset."""

    @model_validator(mode="after")
    def _value_goes_with_equal(self) -> Self:
        if (self.operator == "Equal") != (self.value is not None):
            raise ValueError("a value beside operator Equal, and none beside Exists")
        return self


class Pods(Strict):
    """How the nodes of a pool, each one a pod, are placed; an overlay for a provider sets what it needs by itself."""

    node_selector: dict[str, Label] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    labels: dict[str, Label] = Field(default_factory=dict)
    """Ray labels of the nodes beside those of accelerator and market, for `label_selector` in code of your own."""
    priority_class: Name | None = None
    """A PriorityClass that exists."""
    drain: Seconds | None = None
    """How long a pod that is to go may finish its work. Where unset 330s, and 25s on spot nodes."""
    pod: dict[str, Any] = Field(default_factory=dict)
    """A part of a Kubernetes PodSpec, laid over the rendered one: maps are merged, lists of named things by name."""


class Head(Strict):
    """The pod of the head: Ray's control plane, the drivers of jobs and the gateway. It runs no replicas."""

    cpus: int = Field(default=4, ge=1)
    memory: Bytes = 16 * 2**30
    pods: Pods = Pods()


class Images(Strict):
    """The images of this version of raytide, built from `manifests/docker`."""

    cpu: str = Field(default="raytide:0.1.0-cpu", min_length=1)
    gpu: str = Field(default="raytide:0.1.0-gpu", min_length=1)
    pull_secret: Name | None = None
    """A Secret of type `kubernetes.io/dockerconfigjson`."""

    def of(self, accelerator: str) -> str:
        """The image of nodes with this accelerator."""
        return self.cpu if accelerator == "CPU" else self.gpu


class Storage(Strict):
    """The volume of `$RAYTIDE_HOME`, which every node reads and writes: data, checkpoints, models, journals."""

    claim: Name | None = None
    """A PersistentVolumeClaim that exists; where unset one is rendered from the keys below."""
    size: Bytes = 100 * 2**30
    storage_class: Name | None = None
    """The cluster's default where unset; it must offer ReadWriteMany unless `shared` is off."""
    shared: bool = True
    """Off for a volume of one machine (ReadWriteOnce): enough where all pods run on it."""


class Weights(Strict):
    """Where models lie that services name by a folder below `/models`; read-only."""

    claim: Name | None = None
    """A PersistentVolumeClaim that exists, such as one that a driver mounts a bucket through."""
    bucket: str | None = Field(
        default=None,
        pattern=r"^((gs|s3)://[\w.-]+|az://[\w-]+/[\w-]+)$",
        examples=["s3://models", "az://account/container"],
    )
    """A bucket, mounted by the driver of its provider with a cache on the node."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.claim is None) == (self.bucket is None):
            raise ValueError("a claim or a bucket, and not both")
        return self


class SecretKey(Strict):
    """One entry of a Secret."""

    name: Name
    key: str = Field(min_length=1)


class GcsFaultTolerance(Strict):
    """The head's state in Redis, so that nodes, jobs and replicas survive a new head."""

    redis: str = Field(pattern=r"^(rediss?://)?[\w.-]+:[0-9]+$", examples=["redis.data:6379"])
    password: SecretKey | None = None


class GatewayRoute(Strict):
    """Clients come in by the Gateway API."""

    kind: Literal["gateway-api"]
    gateway: Name
    """A Gateway that exists."""
    gateway_namespace: Name
    host: str = Field(min_length=1, examples=["models.example.com"])


class IngressRoute(Strict):
    """Clients come in by an Ingress."""

    kind: Literal["ingress"]
    ingress_class: Name
    controller_namespace: Name
    """Where the pods of the controller run, from which alone requests are let in."""
    host: str = Field(min_length=1, examples=["models.example.com"])
    tls: Name | None = None
    """A Secret of type `kubernetes.io/tls`."""


class Schedule(Strict):
    """When a job is submitted again and again."""

    cron: str = Field(examples=["0 3 * * *"])
    time_zone: str = Field(default="Etc/UTC", examples=["Europe/Berlin"])


FeatureGate = Literal[
    "RayCronJob",
    "RayClusterNetworkPolicy",
    "GCSFaultToleranceEmbeddedStorage",
    "RayClusterMTLS",
    "RayClusterHistoryServer",
    "SidecarSubmitterRestart",
    "KubernetesWAS",
]
"""Gates of KubeRay 1.7.0 that are off where the operator's own options do not turn them on."""


class KubeRay(Strict):
    """The operator that runs in the Kubernetes cluster."""

    namespace: Name = "kuberay-operator"
    feature_gates: tuple[FeatureGate, ...] = ()
    """Those that are turned on there; `raytide manifests validate` refuses what needs another one."""


class Grafana(Strict):
    """What the graphs of Ray's dashboard are drawn by."""

    url: Url = Field(examples=["http://grafana.monitoring"])
    """As the head reaches it."""
    browser_url: Url | None = Field(default=None, examples=["https://grafana.example.com"])
    """As browsers reach it, where that is another address."""
    prometheus_url: Url = Field(examples=["http://prometheus-operated.monitoring:9090"])
    """As the head reaches it."""


class Operator(Strict):
    """`raytide operator run` as a Deployment: it keeps the cluster as a ConfigMap of declared files says."""

    files: Name
    """A ConfigMap that exists: this file as `cluster.yaml`, and those of services and jobs beside it."""
    overlay: Literal["gke", "eks", "aks", "onprem"] | None = None
    """Where the Kubernetes cluster is, as `--overlay` says it."""
    replicas: int = Field(default=1, ge=1, le=3)
    """One leads, and another one takes over within 15 s of its end."""


class Kubernetes(Strict):
    """Namespace, images, volumes, access and scheduling of the rendered objects."""

    namespace: Name = "raytide"
    images: Images = Images()
    head: Head = Head()
    storage: Storage = Storage()
    weights: Weights | None = None
    cache: Bytes | None = None
    """Disk of each node for downloaded weights and compiled kernels, shared by its replicas; unbounded where unset."""
    auth: Literal["token", "off"] = "token"
    """`token`: whoever calls the dashboard or joins the cluster needs the token, which KubeRay makes up and keeps."""
    token: Name | None = None
    """A Secret that exists, with the token as `auth_token`; KubeRay makes one where unset."""
    tls: bool = False
    """Mutual TLS between the nodes, by cert-manager; needs KubeRay's gate RayClusterMTLS."""
    gcs_fault_tolerance: GcsFaultTolerance | None = None
    env: Name | None = None
    """A Secret whose entries become environment variables of all pods: HF_TOKEN, PGPASSWORD, MLFLOW_TRACKING_URI."""
    queue: Name | None = None
    """A LocalQueue of Kueue that admits the whole cluster; for pools of fixed size."""
    route: Annotated[GatewayRoute | IngressRoute, Field(discriminator="kind")] | None = None
    """How clients reach the gateway from outside; only from within the namespace where unset."""
    monitoring: Name | None = None
    """The namespace of Prometheus; with it a PodMonitor and alert rules are rendered, for the Prometheus operator."""
    grafana: Grafana | None = None
    """With it the Metrics tab of Ray's dashboard shows graphs; it has none where unset."""
    schedules: dict[Name, Schedule] = Field(default_factory=dict)
    """Jobs by name that are submitted by the clock; the others run once. Needs KubeRay's gate RayCronJob."""
    idle_timeout: Seconds = 60.0
    """After which a node without work is given back."""
    kuberay: KubeRay = KubeRay()
    operator: Operator | None = None
    """Rendered as a kustomization of its own, which somebody with the rights that it gets has to send; none where
    unset."""
