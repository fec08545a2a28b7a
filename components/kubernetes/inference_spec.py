"""The pods of inference, and their Deployment. Pure, with the arithmetic of startup and termination.

**A rolling update** removes one replica before it adds one (`maxSurge: 0`). A surge pod would need a GPU that the floor
does not have, and would stay Pending. Replacing one at a time leaves `replicas - 1`, never less than the disruption
budget requires, which is what the loss of a zone leaves. The replacement fits only where the GPU became free. So the
topology spread counts replicas of both versions, without `matchLabelKeys: [pod-template-hash]`: if the new version is
counted alone, its first replica can keep its second off the one free GPU in the same zone for ever (measured on
kube-scheduler 1.36, six replicas on six GPUs: 2 of 4 rollouts stuck with it, none of 4 without).

**Startup.** A node's root volume reads 125 MiB a second (EBS user guide, "General Purpose SSD volumes", gp3's
baseline), which limits both the copy from S3 and the loading. Each gets twice the calculated time.

**Termination.** A pod that is to terminate first runs `preStop`, until the load balancer has removed it and its open
connections have ended: `PROPAGATION_SECONDS + DRAIN_SECONDS`. Then it gets SIGTERM, and time for the longest request.

**Ingress.** A proxy is the only container that listens on the pod's address. It is a sidecar, an init container that
keeps running: the kubelet starts it before the server and ends it after the server has ended (Kubernetes documentation,
"Sidecar Containers"), so no request meets a server without its proxy. Probes of the server pass through it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from components.kubernetes.labels import APP, INFERENCE_PRIORITY, OWNED, SERVING, metadata
from components.kubernetes.namespace_spec import GPU, METRICS_PORT
from components.kubernetes.proxy_spec import CONFIG_FILE, CONFIG_MOUNT, LOOPBACK, REQUEST_SECONDS, ProxySpec
from components.pod_code import ENVIRONMENT, MOUNT, PodCode
from components.traffic.inference_endpoint import DRAIN_SECONDS, SERVING_PORT
from dr.clusters.rollouts import Patience, limits
from dr.topology.capacity import Capacity, Workload
from dr.topology.serving import FETCHER, PROXY, SERVER, SERVICE, Serving

LIVE_PATH = "/v2/health/live"
"""Liveness endpoint of the V2 inference protocol."""
DISK_MIB_PER_SECOND, MARGIN = 125, 2
SERVER_SECONDS = 60
"""Time until MLServer has started its workers and listens, without loading models."""
READY_DELAY, READY_PERIOD, LIVE_DELAY, LIVE_PERIOD = 30, 10, 60, 15
"""docs/requirements.md, "Probes". With a startup probe, these delays count from its success (Kubernetes documentation,
"Configure Liveness, Readiness and Startup Probes")."""
NODE_SECONDS, IMAGE_SECONDS = 120, 600
"""Boot time of a GPU node, and time to pull a 10 GB image: the slowest measured (tensorfuse.io, 2024)."""
MIN_READY_SECONDS = READY_PERIOD
"""How long a new pod must stay ready before the next old one is removed: one more readiness probe. The namespace's
readiness gate waits for the load balancer's health check."""
PROPAGATION_SECONDS = 15
"""Time until the controller has deregistered a pod, and the load balancer sends it no new connection."""
PRE_STOP_SECONDS = PROPAGATION_SECONDS + DRAIN_SECONDS
GRACE_SECONDS = PRE_STOP_SECONDS + REQUEST_SECONDS
EVICT_SECONDS = 30
"""Seconds until pods of a lost node are evicted, after the 50 s until the node is marked as lost. The default of 300 s
suits pods with state in memory; a replica has only models, which another replica can load."""
USER = 1000
"""User ID of MLServer's image."""
MODELS, SCRATCH = "/models", "/tmp"  # noqa: S108 - a volume of the pod's own
SCRATCH_GIB, LOGS_GIB = 2, 1
MOUNTS = {"models": MODELS, "scratch": SCRATCH}
SERVER_PORT, SERVER_GRPC_PORT, SERVER_METRICS_PORT = 9080, 9081, 9082
"""Ports of MLServer on loopback. It cannot disable gRPC, which nothing calls."""
PROXY_CPU_MILLIS, PROXY_MEMORY_MIB, PROXY_DISK_MIB = 250, 512, 100
"""Resources of the proxy. The disk holds its log: the kubelet keeps five files of 10 MiB (KubeletConfiguration,
`containerLogMaxSize`, `containerLogMaxFiles`)."""


@dataclass(frozen=True)
class InferenceSpec:
    """Specification of a region's inference.

    Args:
        region: The region.
        workload: Replicas and GPUs.
        capacity: Numbers of replicas and nodes: the tier's, or those of tier `warm` if the tier runs no replicas.
        runs: Whether the tier runs replicas; otherwise the Deployment has `replicas: 0`.
        serving: Model set and images.
        models_bucket: Name of the region's bucket with models.
        registry_bucket: Name of the region's bucket with the manifests of model sets.
        code: Code of the init container that fetches models.
        published: Whether the region's registry holds the model set. Without it no replica becomes ready, so a first
            deployment, which creates the bucket, must not wait for replicas.
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
        """Name of the ConfigMap with the code; it changes with the code, so that a rollout updates both."""
        return f"{FETCHER}-{self.code.digest[:10]}"

    @property
    def proxy(self) -> ProxySpec:
        """Specification of the proxy."""
        return ProxySpec(
            port=SERVING_PORT,
            server_port=SERVER_PORT,
            metrics_port=METRICS_PORT,
            server_metrics_port=SERVER_METRICS_PORT,
            authentication=self.serving.authentication,
            body_mib=self.serving.request_mib,
            memory_mib=PROXY_MEMORY_MIB,
        )

    @property
    def proxy_name(self) -> str:
        """Name of the ConfigMap with the proxy's configuration, changed with it."""
        return f"{PROXY}-{self.proxy.digest}"

    @property
    def copy_seconds(self) -> int:
        """Seconds to copy the models from S3 to the node's disk, or from the disk to the GPU."""
        return ceil(self.workload.model_memory_gib * 1024 / DISK_MIB_PER_SECOND) * MARGIN

    @property
    def startup_seconds(self) -> int:
        """Seconds until the server is ready; the startup probe then restarts it."""
        return SERVER_SECONDS + self.copy_seconds

    @property
    def pod_seconds(self) -> int:
        """Seconds from a pod's termination until its replacement serves, on a node with the image."""
        ready = READY_DELAY + READY_PERIOD + MIN_READY_SECONDS
        return GRACE_SECONDS + self.copy_seconds + self.startup_seconds + ready

    @property
    def progress_seconds(self) -> int:
        """The same on a new node, in seconds: without progress for this long, a rollout has failed."""
        return NODE_SECONDS + IMAGE_SECONDS + self.pod_seconds

    @property
    def awaited(self) -> bool:
        """Whether `pulumi up` waits for replicas: the tier runs some, and their model set is published."""
        return self.runs and self.published

    @property
    def patience(self) -> Patience:
        """Time limits of a rollout: for all replicas in sequence, and shorter ones for a replica that is stuck."""
        return Patience(
            seconds=self.progress_seconds + self.capacity.max_replicas * self.pod_seconds,
            limits=limits(self.serving.rollout_grace_seconds),
            enough=self.capacity.min_available,
        )


def deployment(spec: InferenceSpec) -> dict[str, Any]:
    """Return the Deployment.

    If the tier runs replicas, `replicas` is not set: the autoscaler owns the field, and `pulumi up` neither shows nor
    reverts its changes. Otherwise `replicas: 0` also disables the autoscaler (Kubernetes documentation, "Implicit
    maintenance-mode deactivation"). When a tier is raised, the field is no longer applied and returns to 1, which the
    autoscaler raises to its minimum. When a tier is lowered, it is applied again, without force: if an operator has
    scaled the Deployment during a failover, that operator owns the field, and the API server reports the conflict.
    """
    no_replicas = {} if spec.runs else {"replicas": 0}
    # The program detects a stuck rollout earlier than the plugin's time limit (ADR 9).
    annotations = {"pulumi.com/skipAwait": "true"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(SERVICE, SERVING, annotations=annotations),
        "spec": {
            **no_replicas,
            "selector": {"matchLabels": dict(APP)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "minReadySeconds": MIN_READY_SECONDS,
            "progressDeadlineSeconds": spec.progress_seconds,
            "revisionHistoryLimit": 3,
            "template": {"metadata": {"labels": {**OWNED, **APP}}, "spec": pod(spec)},
        },
    }


def pod(spec: InferenceSpec) -> dict[str, Any]:
    """Return the pod specification of a replica."""
    models = {"emptyDir": {"sizeLimit": f"{spec.workload.models_gib}Gi"}}
    items = [{"key": key, "path": path} for key, path in spec.code.items.items()]
    return {
        "serviceAccountName": SERVICE,
        # Pods get AWS credentials from Pod Identity, and do not use the cluster's API.
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
        "initContainers": [fetcher(spec), proxy(spec)],
        "containers": [server(spec)],
        "volumes": [
            # On the node's disk: kept when a container restarts, deleted with the pod (ADR 7).
            {"name": "models", **models},
            {"name": "scratch", "emptyDir": {"sizeLimit": f"{SCRATCH_GIB}Gi"}},
            {"name": "code", "configMap": {"name": spec.code_name, "items": items}},
            {"name": PROXY, "configMap": {"name": spec.proxy_name}},
        ],
    }


def placement() -> dict[str, Any]:
    """Return the placement of replicas: on GPU nodes, evenly over the available zones, and over hosts if possible.

    `minDomains` is not set: with it, after the loss of a zone each other zone could run only one replica.
    """
    matching = {"matchLabels": dict(APP)}
    return {
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [
            {"key": GPU, "operator": "Equal", "value": "present", "effect": "NoSchedule"},
            # Only NoExecute: the taint NoSchedule of lost nodes excludes them from the spread by `nodeTaintsPolicy`.
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
                # Otherwise nodes of a lost zone count as a zone without replicas, and the skew keeps replacements
                # Pending.
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
    """Return the init container that copies the region's models to the pod's disk, verified against the manifest."""
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
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": disk(spec)},
            "limits": {"memory": "1Gi", "ephemeral-storage": disk(spec)},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted_context(),
        "volumeMounts": [*mounts(), {"name": "code", "mountPath": MOUNT, "readOnly": True}],
    }


def proxy(spec: InferenceSpec) -> dict[str, Any]:
    """Return the sidecar that receives all requests and forwards those that clients may send."""
    listens = {"tcpSocket": {"port": SERVING_PORT}, "timeoutSeconds": 1}
    size = {"memory": f"{PROXY_MEMORY_MIB}Mi", "ephemeral-storage": f"{PROXY_DISK_MIB}Mi"}
    return {
        "name": PROXY,
        "image": spec.serving.proxy_image,
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        # Hot restart needs shared memory, and a pod is replaced instead. One worker thread serves more requests than
        # one replica.
        "command": ["/usr/local/bin/envoy", "--config-path", f"{CONFIG_MOUNT}/{CONFIG_FILE}"],
        "args": [
            *("--disable-hot-restart", "--concurrency", "1"),
            *("--log-level", "warning", "--file-flush-interval-msec", "1000"),
        ],
        "ports": [{"name": "http", "containerPort": SERVING_PORT, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": f"{PROXY_CPU_MILLIS}m", **size}, "limits": size},
        "startupProbe": {**listens, "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {**listens, "periodSeconds": LIVE_PERIOD},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted_context(),
        "volumeMounts": [{"name": PROXY, "mountPath": CONFIG_MOUNT, "readOnly": True}],
    }


def disk(spec: InferenceSpec) -> str:
    """Return the disk of a replica: models, scratch files and logs."""
    return f"{spec.workload.models_gib + SCRATCH_GIB + LOGS_GIB}Gi"


def server(spec: InferenceSpec) -> dict[str, Any]:
    """Return the container of MLServer, which loads every model in the folder before it is ready.

    Its CPU and memory are the replica's share of the node without those of the proxy.
    """
    cpu, memory = spec.workload.share()
    gpus = str(spec.workload.gpus_per_replica)
    size = {"memory": f"{memory * 1024 - PROXY_MEMORY_MIB}Mi", "ephemeral-storage": disk(spec), GPU: gpus}
    ready = spec.serving.ready_path
    variables = {
        # The image's command, also of images built by `mlserver build`, reads this variable.
        "MLSERVER_MODELS_DIR": MODELS,
        # All its ports: the proxy alone is reachable from outside the pod.
        "MLSERVER_HOST": LOOPBACK,
        "MLSERVER_HTTP_PORT": str(SERVER_PORT),
        "MLSERVER_GRPC_PORT": str(SERVER_GRPC_PORT),
        "MLSERVER_METRICS_PORT": str(SERVER_METRICS_PORT),
        # The defaults are folders of the image, which is read-only.
        "MLSERVER_METRICS_DIR": f"{SCRATCH}/metrics",
        "MLSERVER_ENVIRONMENTS_DIR": f"{SCRATCH}/environments",
        "HOME": SCRATCH,
    }
    return {
        "name": SERVER,
        "image": spec.serving.inference_image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(variables),
        # The proxy's port, named here because Prometheus's PodMonitor finds ports of ordinary containers.
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        # No CPU limit: a replica may use the node's idle CPUs.
        "resources": {"requests": {"cpu": cpus(cpu - PROXY_CPU_MILLIS), **size}, "limits": size},
        "startupProbe": {
            **probe(ready, READY_PERIOD),
            "failureThreshold": ceil(spec.startup_seconds / READY_PERIOD),
        },
        "readinessProbe": {**probe(ready, READY_PERIOD), "initialDelaySeconds": READY_DELAY},
        "livenessProbe": {**probe(LIVE_PATH, LIVE_PERIOD), "initialDelaySeconds": LIVE_DELAY},
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": restricted_context(),
        "volumeMounts": mounts(),
    }


def cpus(thousandths: int) -> str:
    """Return CPU in the API server's normal form, so that it does not appear as changed."""
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def environment(variables: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the environment variables of a container; the API server drops empty values."""
    return [{"name": name, **({"value": value} if value else {})} for name, value in variables.items()]


def mounts() -> list[dict[str, Any]]:
    """Return the mounts of the pod's own volumes, the only writable folders."""
    return [{"name": name, "mountPath": path} for name, path in MOUNTS.items()]


def restricted_context() -> dict[str, Any]:
    """Return a security context that meets Pod Security's `restricted`, with a read-only root file system."""
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def probe(path: str, period: int) -> dict[str, Any]:
    """Return an HTTP probe of the server, through the proxy."""
    return {"httpGet": {"path": path, "port": SERVING_PORT}, "periodSeconds": period, "timeoutSeconds": 5}
