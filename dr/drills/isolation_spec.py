"""The objects of a drill of isolation: one replica in a namespace of its own, and what it may call. Pure.

The pod is made from the template of the deployed inference Deployment, so that it is what a failover would start: the
same images, code, proxy and rights. Three things differ. It may call its region's S3 and nothing else. It yields its
GPU to every other pod. Two containers are added: one proves the isolation before models are fetched, and one asks the
model server, at its own port on loopback, where no client's token is needed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dr.data.model_sets import Probe
from dr.drills.catalog import ISOLATION
from dr.names import BATCH_PRIORITY, DRILL
from dr.pods import ask, isolated
from dr.topology.serving import FETCHER, SERVER

Object = dict[str, Any]
LABEL = {"ml-dr/drill": ISOLATION}
SELECTOR = f"ml-dr/drill={ISOLATION}"
"""Selector of all objects of the drill."""
GLOBAL_HOSTS = ("iam.amazonaws.com", "route53.amazonaws.com", "sts.amazonaws.com")
"""Endpoints of global control planes, and STS's global one (AWS general reference, "AWS service endpoints")."""
REGIONAL_SERVICES = ("s3", "sts", "eks", "ecr", "secretsmanager")
"""Services that a pod, or what it loads, could use in the other region."""
ISOLATED, ASKER = "isolated", "ask"
PROBE_MAP, PROBE_FOLDER, PROBE_FILE = f"{ISOLATION}-probe", "/opt/ml-dr-drill", "probe.json"
REQUESTS = 6
LOADED_SECONDS = 60
"""Time beyond the server's startup probe for its first answer."""
SMALL = {
    "requests": {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
    "limits": {"memory": "128Mi", "ephemeral-storage": "64Mi"},
}


def own_host(region: str) -> str:
    """Return the host of a region's S3."""
    return f"s3.{region}.amazonaws.com"


def hosts(home: str) -> tuple[str, ...]:
    """Return the hosts that the pod may not reach: the other region's endpoints, and global ones.

    Args:
        home: The other region.
    """
    return (*(f"{service}.{home}.amazonaws.com" for service in REGIONAL_SERVICES), *GLOBAL_HOSTS)


def egress(blocks: Iterable[str]) -> Object:
    """Return the NetworkPolicy that allows calls of the region's S3, beside DNS and the Pod Identity agent.

    Args:
        blocks: The addresses of S3 in the region, as CIDR blocks (Amazon VPC user guide, "AWS-managed prefix lists").
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(ISOLATION),
        "spec": {
            "podSelector": {"matchLabels": LABEL},
            "policyTypes": ["Egress"],
            "egress": [
                {
                    "to": [{"ipBlock": {"cidr": block}} for block in blocks],
                    "ports": [{"protocol": "TCP", "port": 443}],
                }
            ],
        },
    }


def probe_map(probe: Probe) -> Object:
    """Return the ConfigMap with the request and its known answer."""
    content = json.dumps({"request": probe.request, "outputs": list(probe.outputs)})
    return _config_map(PROBE_MAP, {PROBE_FILE: content})


def copied(source: Mapping[str, Any]) -> Object:
    """Return a copy of a ConfigMap of inference, for the drill's namespace."""
    return _config_map(source["metadata"]["name"], source.get("data", {}))


def config_maps(deployment: Mapping[str, Any]) -> list[str]:
    """Return the names of the ConfigMaps that a replica mounts."""
    volumes = deployment["spec"]["template"]["spec"].get("volumes", ())
    return [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]


def pod(deployment: Mapping[str, Any], run: str, region: str, home: str, model: str, answer_seconds: float) -> Object:
    """Return the pod.

    Args:
        deployment: The Deployment of inference, as the cluster has it.
        run: ID of the drill's run.
        region: The region of the pod.
        home: The other region.
        model: Name of the model.
        answer_seconds: Seconds within which a prediction has to be answered.
    """
    spec = copy.deepcopy(deployment["spec"]["template"]["spec"])
    server = next(each for each in spec["containers"] if each["name"] == SERVER)
    fetcher = next(each for each in spec["initContainers"] if each["name"] == FETCHER)
    added = {
        "image": fetcher["image"],
        "imagePullPolicy": fetcher.get("imagePullPolicy", "IfNotPresent"),
        "resources": SMALL,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": fetcher["securityContext"],
    }
    # The pod is deleted with its connections: it has none.
    server.pop("lifecycle", None)
    spec["initContainers"].insert(0, {**added, **_isolated(region, home)})
    spec["containers"].append({**added, **_asker(server, model, answer_seconds)})
    spec["volumes"].append({"name": PROBE_MAP, "configMap": {"name": PROBE_MAP}})
    spec |= {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "priorityClassName": BATCH_PRIORITY}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**_metadata(f"{ISOLATION}-{run.lower()}"), "annotations": {"ml-dr/run": run}},
        "spec": spec,
    }


def startup_seconds(server: Mapping[str, Any]) -> int:
    """Return the seconds that the startup probe of the server allows."""
    probe = server.get("startupProbe") or {}
    return int(probe.get("failureThreshold", 3)) * int(probe.get("periodSeconds", 10))


def _isolated(region: str, home: str) -> Object:
    variables = {"REACHED": own_host(region), "UNREACHED": " ".join(hosts(home)), "PYTHONUNBUFFERED": "1"}
    return {"name": ISOLATED, "command": _command(isolated), "env": _variables(variables)}


def _asker(server: Mapping[str, Any], model: str, answer_seconds: float) -> Object:
    port = next(each["value"] for each in server["env"] if each["name"] == "MLSERVER_HTTP_PORT")
    variables = {
        "ENDPOINT": f"http://127.0.0.1:{port}",
        "MODEL": model,
        "REQUESTS": str(REQUESTS),
        "ANSWER_SECONDS": f"{answer_seconds:g}",
        "READY_SECONDS": str(startup_seconds(server) + LOADED_SECONDS),
        "PROBE_FILE": f"{PROBE_FOLDER}/{PROBE_FILE}",
    }
    mounts = [{"name": PROBE_MAP, "mountPath": PROBE_FOLDER, "readOnly": True}]
    return {"name": ASKER, "command": _command(ask), "env": _variables(variables), "volumeMounts": mounts}


def _command(module: Any) -> Sequence[str]:
    """Return the command that runs a module of this project without its other files."""
    return ("python", "-c", Path(module.__file__).read_text(encoding="utf-8"))


def _variables(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _config_map(name: str, data: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(name), "data": dict(data)}


def _metadata(name: str) -> Object:
    return {"name": name, "namespace": DRILL, "labels": dict(LABEL)}
