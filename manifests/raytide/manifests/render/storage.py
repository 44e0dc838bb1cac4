"""The claims of the platform's storage, and of a bucket with models that its provider's driver mounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from raytide.manifests.platform import Platform
from raytide.manifests.render.names import metadata, quantity
from raytide.manifests.traced import Rendered, came, said


def claim_name(platform: Platform) -> Any:
    """The claim behind `$RAYTIDE_HOME`."""
    claim = platform.kubernetes.storage.claim
    return came(claim, platform.at("storage", "claim")) if claim else f"{platform.name}-home"


def weights_claim(platform: Platform) -> Any:
    """The claim behind `/models`."""
    weights = platform.kubernetes.weights
    claim = weights.claim if weights else None
    return came(claim, platform.at("weights", "claim")) if claim else f"{platform.name}-models"


def claims(platform: Platform) -> Iterator[Rendered]:
    """The claims that are not the user's own."""
    storage, at = platform.kubernetes.storage, platform.at("storage")
    if storage.claim is None:
        mode = "ReadWriteMany" if storage.shared else "ReadWriteOnce"
        tree = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(
                platform,
                f"{platform.name}-home",
                annotations=said(
                    {"argocd.argoproj.io/sync-options": "Prune=false"},
                    "models and checkpoints outlive the objects that made them",
                ),
            ),
            "spec": {
                "accessModes": came([mode], at.below("shared")),
                "storageClassName": came(storage.storage_class, at.below("storage_class")),
                "resources": {"requests": {"storage": came(quantity(storage.size), at.below("size"))}},
            },
        }
        yield Rendered.of(tree, at, "$RAYTIDE_HOME: data, checkpoints, models and journals of all nodes.")
    weights = platform.kubernetes.weights
    if weights and weights.bucket:
        yield from _bucket(platform, weights.bucket)


_DRIVERS = {"gs": "gcsfuse.csi.storage.gke.io", "s3": "s3.csi.aws.com", "az": "blob.csi.azure.com"}


def _bucket(platform: Platform, bucket: str) -> Iterator[Rendered]:
    """A volume that the provider's driver mounts, and the claim that is bound to it."""
    at = platform.at("weights", "bucket")
    scheme, _, name = bucket.partition("://")
    volume = f"{platform.kubernetes.namespace}-{platform.name}-models"
    size = "1Ti"  # asked for by the API, and meant by no driver
    tree = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {key: value for key, value in metadata(platform, volume).items() if key != "namespace"},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "capacity": {"storage": size},
            "storageClassName": "",
            "persistentVolumeReclaimPolicy": "Retain",
            "mountOptions": _mount_options(scheme),
            "claimRef": {"namespace": platform.kubernetes.namespace, "name": f"{platform.name}-models"},
            "csi": {
                "driver": came(_DRIVERS[scheme], at),
                "readOnly": True,
                "volumeHandle": came(name if scheme == "gs" else volume, at),
                "volumeAttributes": came(_attributes(scheme, name), at),
            },
        },
    }
    yield Rendered.of(tree, at, "The models of a bucket, read through a cache on the disk of each node.")
    yield Rendered.of(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(platform, f"{platform.name}-models"),
            "spec": {
                "accessModes": ["ReadOnlyMany"],
                "storageClassName": "",
                "volumeName": volume,
                "resources": {"requests": {"storage": size}},
            },
        },
        at,
    )


def _mount_options(scheme: str) -> list[str]:
    """What makes the files readable for the pods' user, and keeps what was read."""
    if scheme == "gs":
        return ["implicit-dirs", "uid=1000", "gid=1000", "file-cache:max-size-mb:-1"]
    if scheme == "s3":
        return ["uid=1000", "gid=1000", "allow-other", "read-only"]
    return ["-o allow_other", "--file-cache-timeout-in-seconds=604800", "-o uid=1000", "-o gid=1000"]


def _attributes(scheme: str, name: str) -> dict[str, str]:
    if scheme == "az":
        account, _, container = name.partition("/")
        return {"storageAccount": account, "containerName": container, "protocol": "fuse2"}
    return {"bucketName": name} if scheme == "s3" else {"skipCSIBucketAccessCheck": "true"}
