"""The pods of inference, and the Deployment that keeps them. Pure, with the arithmetic of starting and of leaving.

**A rolling update** takes one replica away before it makes one (`maxSurge: 0`). A surge pod would need a GPU that the
floor does not have, and would stay Pending for as long as that is so. One at a time leaves `replicas - 1`, never less
than a disruption budget promises: that is what the loss of a zone leaves. Its successor can only go where the GPU came
free; so the spread counts replicas of both versions, and no `matchLabelKeys: [pod-template-hash]`: counted by
themselves, the second of the new version can be kept from the one free GPU by the first in the same zone, for ever
(run on kube-scheduler 1.36, six replicas on six GPUs: 2 of 4 rollouts stuck with it, none of 4 without).

**Starting.** A node's root volume reads 125 MiB a second (EBS user guide, "General Purpose SSD volumes", gp3's
baseline), which bounds both the copy from S3 and the loading. Each is given twice the time.

**Leaving.** A pod that is told to go stays for `preStop`: until the load balancer knows of it and connections it had
have ended, `PROPAGATION_SECONDS + DRAIN_SECONDS`. Then it gets the signal, and time for the longest request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from components.kubernetes.labels import APP, INFERENCE_PRIORITY, OWNED, SERVING, metadata
from components.kubernetes.namespace_spec import GPU, METRICS_PORT
from components.pod_code import ENVIRONMENT, MOUNT, PodCode
from components.traffic.inference_endpoint import DRAIN_SECONDS, SERVING_PORT
from dr.clusters.rollouts import Patience, limits
from dr.names import READY_PATH
from dr.topology.capacity import Capacity, Workload
from dr.topology.serving import FETCHER, SERVER, SERVICE, Serving

LIVE_PATH = "/v2/health/live"
"""Liveness of the V2 inference protocol."""
DISK_MIB_PER_SECOND, MARGIN = 125, 2
SERVER_SECONDS = 60
"""Until MLServer has started its workers and listens, models apart."""
READY_DELAY, READY_PERIOD, LIVE_DELAY, LIVE_PERIOD = 30, 10, 60, 15
"""docs/requirements.md, "Probes". The delays count from the success of the startup probe (Kubernetes documentation,
"Configure Liveness, Readiness and Startup Probes")."""
NODE_SECONDS, IMAGE_SECONDS = 120, 600
"""A GPU node's boot, and the pull of a 10 GB image on it: the slowest that was measured (tensorfuse.io, 2024)."""
MIN_READY_SECONDS = READY_PERIOD
"""How long a new pod is watched before the next old one goes: one more look. That the load balancer finds it healthy is
what the namespace's readiness gate waits for."""
PROPAGATION_SECONDS = 15
"""Until the controller has deregistered a pod, and the load balancer sends it no new connection."""
REQUEST_SECONDS = 30
"""The longest request: it is finished even if it came last."""
PRE_STOP_SECONDS = PROPAGATION_SECONDS + DRAIN_SECONDS
GRACE_SECONDS = PRE_STOP_SECONDS + REQUEST_SECONDS
EVICT_SECONDS = 30
"""A node that is gone keeps its pods so long, after the 50 s in which it is only missed. Kubernetes waits 300 s for a
node to come back with what pods hold in memory; these hold nothing that another one cannot load."""
USER = 1000
"""MLServer's image runs as this user."""
MODELS, SCRATCH = "/models", "/tmp"  # noqa: S108 - a volume of the pod's own
SCRATCH_GIB = 2
MOUNTS = {"models": MODELS, "scratch": SCRATCH}


@dataclass(frozen=True)
class InferenceSpec:
    """What inference is in a region.

    Args:
        region: The region.
        workload: Replicas and GPUs.
        capacity: What the region is ready for: its floor, or that of tier `warm` where it runs none.
        runs: Whether replicas run at all; else the Deployment has none, and is all there but for them.
        serving: Model set and images.
        models_bucket: The region's bucket with models.
        registry_bucket: The region's bucket with the manifests of sets.
        code: What fetches models.
        published: Whether the region holds a set of that name. Without one no replica becomes ready, so that a first
            deployment, which makes the bucket, must not wait for any.
    """

    region: str
    workload: Workload
    capacity: Capacity
    runs: bool
    serving: Serving
    models_bucket: str
    registry_bucket: str
    code: PodCode
    published: bool = True

    @property
    def code_name(self) -> str:
        """Name of the ConfigMap with the code: another one for other code, so that a rollout takes it along."""
        return f"{FETCHER}-{self.code.digest[:10]}"

    @property
    def copy_seconds(self) -> int:
        """To copy the models from S3 to the node's disk, or from there to the GPU."""
        return ceil(self.workload.model_memory_gib * 1024 / DISK_MIB_PER_SECOND) * MARGIN

    @property
    def startup_seconds(self) -> int:
        """Until the server is ready: afterwards it is taken for dead."""
        return SERVER_SECONDS + self.copy_seconds

    @property
    def pod_seconds(self) -> int:
        """From a pod that leaves to its successor that serves, image and node being there."""
        ready = READY_DELAY + READY_PERIOD + MIN_READY_SECONDS
        return GRACE_SECONDS + self.copy_seconds + self.startup_seconds + ready

    @property
    def progress_seconds(self) -> int:
        """The same on a node that is not there yet: without progress for so long, a rollout has failed."""
        return NODE_SECONDS + IMAGE_SECONDS + self.pod_seconds

    @property
    def awaited(self) -> bool:
        """Whether `pulumi up` waits for replicas: some run, and the model set is there for them to load."""
        return self.runs and self.published

    @property
    def patience(self) -> Patience:
        """How long a rollout is waited for: one replica after the other at most, and one that is stuck much less."""
        return Patience(
            seconds=self.progress_seconds + self.capacity.max_replicas * self.pod_seconds,
            limits=limits(self.serving.rollout_grace_seconds),
            enough=self.capacity.min_available,
        )


def deployment(spec: InferenceSpec) -> dict[str, Any]:
    """The Deployment.

    It has no `replicas` where any run: the autoscaler owns them, and `pulumi up` neither shows nor undoes what it did.
    Where none run it has `replicas: 0`, which also switches the autoscaler off (Kubernetes documentation, "Implicit
    maintenance-mode deactivation"). Going up, the field is no longer applied and falls back to 1, which the autoscaler
    lifts to its least. Going down, it is applied again, and never by force: replicas that somebody else asked for
    where there are none, on the day of a failover, belong to whoever did, and the API server refuses by that name.
    """
    down = {} if spec.runs else {"replicas": 0}
    # The plugin waits for its time limit where the program knows sooner that a rollout is stuck (ADR 9).
    annotations = {"pulumi.com/skipAwait": "true"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(SERVICE, SERVING, annotations=annotations),
        "spec": {
            **down,
            "selector": {"matchLabels": dict(APP)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "minReadySeconds": MIN_READY_SECONDS,
            "progressDeadlineSeconds": spec.progress_seconds,
            "revisionHistoryLimit": 3,
            "template": {"metadata": {"labels": {**OWNED, **APP}}, "spec": pod(spec)},
        },
    }


def pod(spec: InferenceSpec) -> dict[str, Any]:
    """A replica."""
    models = {"emptyDir": {"sizeLimit": f"{spec.workload.models_gib}Gi"}}
    items = [{"key": key, "path": path} for key, path in spec.code.items.items()]
    return {
        "serviceAccountName": SERVICE,
        # Pods get AWS's credentials by Pod Identity, and have no business with the cluster's API.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": INFERENCE_PRIORITY,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **placement(),
        "initContainers": [fetcher(spec)],
        "containers": [server(spec)],
        "volumes": [
            # On the node's disk: it outlives a container that is started again, and goes with the pod (ADR 7).
            {"name": "models", **models},
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{SCRATCH_GIB}Gi"}},
            {"name": "code", "configMap": {"name": spec.code_name, "items": items}},
        ],
    }


def placement() -> dict[str, Any]:
    """Where replicas go: GPU nodes, evenly over the zones that are there, and over hosts where there are enough.

    No `minDomains`: with it, a lost zone would leave room for one replica in each other one.
    """
    matching = {"matchLabels": dict(APP)}
    return {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [
            {"key": GPU, "operator": "Equal", "value": "present", "effect": "NoSchedule"},
            # NoExecute alone: a lost node's other taint, NoSchedule, is what `nodeTaintsPolicy` leaves it out by.
            *(
                {
                    "key": f"node.kubernetes.io/{state}",
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": EVICT_SECONDS,
                }
                for state in ("not-ready", "unreachable")
            ),
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": matching,
                # Without it the nodes of a lost zone still count as a zone with no replica, and the skew to it keeps
                # replacements Pending.
                "nodeTaintsPolicy": "Honor",
            }
        ],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {"labelSelector": matching, "topologyKey": "kubernetes.io/hostname"},
                    }
                ]
            }
        },
    }


def fetcher(spec: InferenceSpec) -> dict[str, Any]:
    """Copies the models of the region's own bucket to the pod's disk, each checked against the set's manifest."""
    variables = {
        **ENVIRONMENT,
        "AWS_REGION": spec.region,
        "MODELS_BUCKET": spec.models_bucket,
        "REGISTRY_BUCKET": spec.registry_bucket,
        "MODEL_SET": spec.serving.model_set,
        "MODELS_FOLDER": MODELS,
        "HOME": SCRATCH,
    }
    return {
        "name": FETCHER,
        "image": spec.serving.tools_image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(spec.code.command),
        "env": environment(variables),
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": confined(),
        "volumeMounts": [*mounts(), {"name": "code", "mountPath": MOUNT, "readOnly": True}],
    }


def server(spec: InferenceSpec) -> dict[str, Any]:
    """MLServer, which loads whatever is in the folder before it is ready."""
    cpu, memory = spec.workload.share()
    gpus = str(spec.workload.gpus_per_replica)
    disk = f"{spec.workload.models_gib + SCRATCH_GIB}Gi"
    variables = {
        # What the image's own command starts with, in those that `mlserver build` makes, too.
        "MLSERVER_MODELS_DIR": MODELS,
        "MLSERVER_HTTP_PORT": str(SERVING_PORT),
        "MLSERVER_METRICS_PORT": str(METRICS_PORT),
        # By default these are in the image, which is read only.
        "MLSERVER_METRICS_DIR": f"{SCRATCH}/metrics",
        "MLSERVER_ENVIRONMENTS_DIR": f"{SCRATCH}/environments",
        "HOME": SCRATCH,
    }
    return {
        "name": SERVER,
        "image": spec.serving.inference_image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(variables),
        "ports": [
            {"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        # No limit of CPU: what is idle on the node is a replica's to use.
        "resources": {
            "requests": {"cpu": cpus(cpu), "memory": f"{memory}Gi", "ephemeral-storage": disk, GPU: gpus},
            "limits": {"memory": f"{memory}Gi", GPU: gpus},
        },
        "startupProbe": {
            **probe(READY_PATH, READY_PERIOD),
            "failureThreshold": ceil(spec.startup_seconds / READY_PERIOD),
        },
        "readinessProbe": {**probe(READY_PATH, READY_PERIOD), "initialDelaySeconds": READY_DELAY},
        "livenessProbe": {**probe(LIVE_PATH, LIVE_PERIOD), "initialDelaySeconds": LIVE_DELAY},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": confined(),
        "volumeMounts": mounts(),
    }


def cpus(thousandths: int) -> str:
    """CPU as the API server writes it, so that it is not seen as changed."""
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def environment(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Variables as a container has them; the API server keeps no empty value."""
    return [{"name": name, **({"value": value} if value else {})} for name, value in variables.items()]


def mounts() -> list[dict[str, Any]]:
    """The pod's own folders, the only ones that can be written."""
    return [{"name": name, "mountPath": path} for name, path in MOUNTS.items()]


def confined() -> dict[str, Any]:
    """What Pod Security's `restricted` asks of a container, and a root file system that cannot be written."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def probe(path: str, period: int) -> dict[str, Any]:
    """A look at the server."""
    return {"httpGet": {"path": path, "port": "http"}, "periodSeconds": period, "timeoutSeconds": 5}
