"""Tables of kinds: what is replaced on which change, what is cluster-wide, and how a token names a kind.

From pulumi-kubernetes, provider/pkg/provider/diff.go and provider/pkg/kinds. A path through a list means any element.
"""

from __future__ import annotations

import re

TOKEN = re.compile(r"kubernetes:([a-z0-9.-]+)/(v\d\w*):([A-Z]\w*)")
RELEASE = "kubernetes:helm.sh/v3:Release"
NOT_OBJECTS = ("helm.sh", "yaml", "kustomize")
"""Groups of the SDK that stand for many objects, and not for one."""

IDENTITY = ("metadata.name", "metadata.namespace")
VOLUME_SOURCES = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]
POD_FIELDS = [
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
]
CONTAINER_FIELDS = [
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
]

REPLACED_ON: dict[str, tuple[str, ...]] = {
    "apps/v1/Deployment": ("spec.selector",),
    "apps/v1/DaemonSet": ("spec.selector",),
    "apps/v1/StatefulSet": tuple(
        f"spec.{field}"
        for field in ["podManagementPolicy", "revisionHistoryLimit", "selector", "serviceName", "volumeClaimTemplates"]
    ),
    "batch/v1/Job": ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/v1/RoleBinding": ("roleRef",),
    "storage.k8s.io/v1/StorageClass": ("parameters", "provisioner"),
    "v1/ConfigMap": ("binaryData", "data"),
    "v1/PersistentVolume": tuple(f"spec.{source}" for source in VOLUME_SOURCES),
    "v1/PersistentVolumeClaim": (
        *("spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"),
        *("spec.resources.limits", "spec.resources.requests"),
    ),
    "v1/Pod": (
        *(f"spec.{field}" for field in POD_FIELDS),
        *(f"spec.{group}.{field}" for group in ("containers", "initContainers") for field in CONTAINER_FIELDS),
    ),
    "v1/ResourceQuota": ("spec.scopes",),
    "v1/Secret": ("type", "stringData", "data"),
    "v1/Service": ("spec.clusterIP",),
}
"""Besides the identity, which replaces every kind. By apiVersion/kind."""

CLUSTER_WIDE = frozenset(
    [
        "APIService",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ComponentStatus",
        "CSIDriver",
        "CSINode",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "IPAddress",
        "StorageClass",
        "VolumeAttachment",
        "VolumeAttributesClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ]
)
"""Built-in kinds without a namespace, for as long as no API server can be asked."""


def of_token(token: str) -> tuple[str, str] | None:
    """apiVersion and kind of a resource type; None for one that stands for no single object."""
    match = TOKEN.fullmatch(token)
    if match is None or match[1] in NOT_OBJECTS:
        return None
    group, version, kind = match.groups()
    return (version if group == "core" else f"{group}/{version}"), kind
