"""A test's Pulumi program: a namespace with the objects that `wanted.json` in its folder describes."""

import importlib
import json
from pathlib import Path
from typing import Any

import pulumi

# Without types: to match a plain dictionary with the SDK's overloads takes the type checker 20 GB.
kubernetes: Any = importlib.import_module("pulumi_kubernetes")
wanted = json.loads(Path(__file__).with_name("wanted.json").read_text())
cluster = kubernetes.Provider(
    "cluster", kubeconfig=wanted["kubeconfig"], cluster_identifier="one", enable_server_side_apply=True
)
opts = pulumi.ResourceOptions(provider=cluster)
namespace = kubernetes.core.v1.Namespace("space", metadata={"name": wanted["namespace"]}, opts=opts)
inside = {"namespace": namespace.metadata["name"]}
content = kubernetes.core.v1.ConfigMap(
    "content", metadata={"name": wanted["config_map"], **inside}, data=wanted["data"], opts=opts
)
secret = kubernetes.core.v1.Secret(
    "secret",
    metadata={"name": "secret", **inside},
    string_data={"word": pulumi.Output.secret(wanted["secret"])},
    opts=opts,
)


def server(name: str, config_map: pulumi.Input[str], nodes: dict[str, str], annotations: dict[str, str]) -> None:
    """A Deployment of pods that read a ConfigMap."""
    app = {"app": name}
    kubernetes.apps.v1.Deployment(
        name,
        metadata={"name": name, "annotations": annotations, **inside},
        spec={
            "replicas": wanted["replicas"],
            "selector": {"matchLabels": app},
            "template": {
                "metadata": {"labels": app},
                "spec": {
                    "nodeSelector": nodes,
                    "containers": [
                        {
                            "name": "main",
                            "image": "example.com/main:1",
                            "envFrom": [{"configMapRef": {"name": config_map}}],
                        }
                    ],
                },
            },
        },
        opts=pulumi.ResourceOptions(provider=cluster, depends_on=[content]),
    )


server("by-name", "content", wanted["nodes"], wanted["annotations"])
server("by-output", content.metadata["name"], {}, {})
chart = wanted["chart"]
rules = kubernetes.helm.v3.Release(
    "rules",
    name="rules",
    namespace=namespace.metadata["name"],
    chart=chart["name"],
    version=chart["version"],
    repository_opts={"repo": chart["repository"]},
    values=chart.get("values"),
    atomic=True,
    opts=opts,
)
kubernetes.apiextensions.CustomResource(
    "alerts",
    api_version="monitoring.coreos.com/v1",
    kind=wanted["kind"],
    metadata={"name": "alerts", **inside},
    spec=wanted["rules"],
    opts=pulumi.ResourceOptions(provider=cluster, depends_on=[rules]),
)
pulumi.export("uid", namespace.metadata["uid"])
