"""A program of a test: a namespace with what `wanted.json` beside it asks for."""

import json
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes

wanted = json.loads(Path(__file__).with_name("wanted.json").read_text())
cluster = kubernetes.Provider(
    "cluster", kubeconfig=wanted["kubeconfig"], cluster_identifier="one", enable_server_side_apply=True
)
namespace = kubernetes.core.v1.Namespace(
    "space", metadata={"name": wanted["namespace"]}, opts=pulumi.ResourceOptions(provider=cluster)
)
inside = {"namespace": namespace.metadata["name"]}
content = kubernetes.core.v1.ConfigMap(
    "content",
    metadata={"name": "content", **inside},
    data=wanted["data"],
    opts=pulumi.ResourceOptions(provider=cluster),
)
secret = kubernetes.core.v1.Secret(
    "secret",
    metadata={"name": "secret", **inside},
    string_data={"word": pulumi.Output.secret(wanted["secret"])},
    opts=pulumi.ResourceOptions(provider=cluster),
)
app = {"app": "server"}
kubernetes.apps.v1.Deployment(
    "server",
    metadata={"name": "server", "annotations": wanted["annotations"], **inside},
    spec={
        "replicas": wanted["replicas"],
        "selector": {"matchLabels": app},
        "template": {
            "metadata": {"labels": app},
            "spec": {
                "nodeSelector": wanted["nodes"],
                "containers": [
                    {
                        "name": "main",
                        "image": "example.com/main:1",
                        "envFrom": [{"configMapRef": {"name": content.metadata["name"]}}],
                    }
                ],
            },
        },
    },
    opts=pulumi.ResourceOptions(provider=cluster),
)
rules = kubernetes.helm.v3.Release(
    "rules",
    name="rules",
    namespace=namespace.metadata["name"],
    chart="prometheus-operator-crds",
    version="24.0.0",
    opts=pulumi.ResourceOptions(provider=cluster),
)
kubernetes.apiextensions.CustomResource(
    "alerts",
    api_version="monitoring.coreos.com/v1",
    kind="PrometheusRule",
    metadata={"name": "alerts", **inside},
    spec=wanted["rules"],
    opts=pulumi.ResourceOptions(provider=cluster, depends_on=[rules]),
)
pulumi.export("uid", namespace.metadata["uid"])
