"""MlflowServer: the MLflow server of a region's model registry.

It exists in every tier with a cluster. It has replicas in the region that clients use, because the registry has one
writer. Two replicas request 0.5 vCPU and 4 GiB of the system nodes (components/kubernetes/mlflow_spec.py), which cost
nothing more while they fit; else the autoscaler adds a node of $70 a month (dr/topology/prices.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import code_pod_spec, mlflow_spec
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.labels import REGISTRY, service_account
from components.kubernetes.mlflow_spec import MlflowSpec
from components.kubernetes.objects import KubernetesObject
from dr.topology.registry import SERVER


@dataclass(frozen=True)
class MlflowServerArgs:
    """Arguments of `MlflowServer`.

    Args:
        access: Access to the cluster.
        spec: Specification of the server.
        after: Resources to wait for: the namespaces and their contents.
    """

    access: ClusterAccess
    spec: MlflowSpec
    after: Sequence[pulumi.Resource] = ()


class MlflowServer(pulumi.ComponentResource):
    """A Deployment with code, service account, disruption budget, network policies and Service.

    Attributes:
        deployment: The Deployment.
    """

    deployment: KubernetesObject

    def __init__(self, name: str, args: MlflowServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:MlflowServer", name, None, opts)
        access, spec = args.access, args.spec
        manifests = {
            "account": service_account(SERVER, REGISTRY),
            # Named by its content: Pulumi creates the new one, updates the Deployment, and then deletes the old one.
            spec.login.code_name: code_pod_spec.code(spec.login),
            "budget": mlflow_spec.budget(),
            "service": mlflow_spec.service(),
            **mlflow_spec.network_policies(spec),
        }
        needs = [access.place(self, f"{name}-{kind}", made, *args.after) for kind, made in manifests.items()]
        self.deployment = access.place(self, f"{name}-deployment", mlflow_spec.deployment(spec), *needs)
        self.register_outputs({})
