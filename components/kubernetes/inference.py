"""Inference: the workload of a region, from the pods to the target group (docs/requirements.md).

It is there in every tier that runs a cluster; a tier below `warm` has it without replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import inference_objects_spec, inference_spec, rollout
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.inference_spec import InferenceSpec
from components.kubernetes.objects import KubernetesObject


@dataclass(frozen=True)
class InferenceArgs:
    """Arguments of `Inference`.

    Args:
        access: The cluster.
        spec: What inference is there.
        target_group_arn: Where ready pods are registered.
        balancer_blocks: Blocks of the subnets that the load balancer has addresses in.
        after: What it waits for: its namespace with all that holds there.
        definitions: What brings the definition of TargetGroupBinding, and its controller.
    """

    access: ClusterAccess
    spec: InferenceSpec
    target_group_arn: pulumi.Input[str]
    balancer_blocks: Sequence[str]
    after: Sequence[pulumi.Resource] = ()
    definitions: Sequence[pulumi.Resource] = ()


class Inference(pulumi.ComponentResource):
    """The workload.

    Attributes:
        deployment: What keeps the pods.
        rollout: Known once the rollout is complete: "complete".
    """

    deployment: KubernetesObject
    rollout: pulumi.Output[str]

    def __init__(self, name: str, args: InferenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:Inference", name, None, opts)
        access, spec, objects = args.access, args.spec, inference_objects_spec
        code = access.place(self, f"{name}-{spec.code_name}", objects.code(spec), *args.after)
        early = [
            code,
            *(
                access.place(self, f"{name}-{what}", manifest, *args.after)
                for what, manifest in {
                    "account": objects.service_account(),
                    "budget": objects.budget(spec),
                    "policy": objects.way_in(args.balancer_blocks, spec.serving.mesh),
                    "service": objects.service(),
                    # Before its target: it lifts the first replica to the floor while that one still loads.
                    "autoscaler": objects.autoscaler(spec),
                }.items()
            ),
        ]
        # Before the pods, which are otherwise made without the gate that waits for the load balancer.
        bound = access.place(self, f"{name}-binding", objects.binding(args.target_group_arn), *early, *args.definitions)
        self.deployment = access.place(self, f"{name}-deployment", inference_spec.deployment(spec), *early, bound)
        # Registered, so that the engine's update does not end before the rollout does.
        self.rollout = rollout.followed(self.deployment, access, spec)
        self.register_outputs({"rollout": self.rollout})
