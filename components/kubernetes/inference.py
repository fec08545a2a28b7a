"""Inference: a region's inference workload, from pods to target group (docs/requirements.md).

It exists in every tier with a cluster; in tiers below `warm` without replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import inference_objects_spec, inference_spec, rollout
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.labels import SERVING, service_account
from components.kubernetes.objects import KubernetesObject
from dr.topology.serving import SERVICE


@dataclass(frozen=True)
class InferenceArgs:
    """Arguments of `Inference`.

    Args:
        access: Access to the cluster.
        spec: Specification of inference.
        target_group_arn: ARN of the target group in which ready pods are registered.
        balancer_blocks: CIDR blocks of the load balancer's subnets.
        after: Resources to wait for: the namespace and its contents.
        definitions: Resources that install TargetGroupBinding's definition and controller.
    """

    access: ClusterAccess
    spec: InferenceSpec
    target_group_arn: pulumi.Input[str]
    balancer_blocks: Sequence[str]
    after: Sequence[pulumi.Resource] = ()
    definitions: Sequence[pulumi.Resource] = ()


class Inference(pulumi.ComponentResource):
    """A Deployment with code, service account, disruption budget, network policy, Service, autoscaler and binding.

    Attributes:
        deployment: The Deployment.
        rollout: Phase of the rollout; resolves to "complete" when the rollout is complete.
    """

    deployment: KubernetesObject
    rollout: pulumi.Output[str]

    def __init__(self, name: str, args: InferenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Inference", name, None, opts)
        access, spec, objects = args.access, args.spec, inference_objects_spec
        code = access.place(self, f"{name}-{spec.code_name}", objects.code(spec), *args.after)
        proxy = access.place(self, f"{name}-{spec.proxy_name}", objects.proxy(spec), *args.after)
        prerequisites = [
            code,
            proxy,
            *(
                access.place(self, f"{name}-{kind}", manifest, *args.after)
                for kind, manifest in {
                    "account": service_account(SERVICE, SERVING),
                    "budget": objects.budget(spec),
                    "policy": objects.ingress_policy(args.balancer_blocks, spec.serving.mesh),
                    "service": objects.service(),
                    # Created before its target: it raises the replicas to the floor while the first one loads.
                    "autoscaler": objects.autoscaler(spec),
                }.items()
            ),
        ]
        # Created before the pods: otherwise they lack the readiness gate for the load balancer.
        binding = objects.binding(args.target_group_arn)
        bound = access.place(self, f"{name}-binding", binding, *prerequisites, *args.definitions)
        deployment = inference_spec.deployment(spec)
        self.deployment = access.place(self, f"{name}-deployment", deployment, *prerequisites, bound)
        # A registered output, so that the update does not end before the rollout.
        self.rollout = rollout.await_rollout(self.deployment, access, spec)
        self.register_outputs({"rollout": self.rollout})
