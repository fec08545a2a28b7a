"""ScheduledPod: a CronJob that runs this project's code, with its ConfigMap and service account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.kubernetes import code_pod_spec
from components.kubernetes.cluster_access import ClusterAccess
from components.kubernetes.code_pod_spec import CodePod
from components.kubernetes.labels import service_account
from components.kubernetes.objects import KubernetesObject, Manifest


@dataclass(frozen=True)
class ScheduledPodArgs:
    """Arguments of `ScheduledPod`.

    Args:
        access: Access to the cluster.
        pod: The pod.
        cron_job: Manifest of the CronJob.
        after: Resources to wait for: the namespace and its contents.
    """

    access: ClusterAccess
    pod: CodePod
    cron_job: Manifest
    after: Sequence[pulumi.Resource] = ()


class ScheduledPod(pulumi.ComponentResource):
    """A CronJob with its ConfigMap and service account.

    Attributes:
        cron_job: The CronJob.
    """

    cron_job: KubernetesObject

    def __init__(self, name: str, args: ScheduledPodArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:kubernetes:ScheduledPod", name, None, opts)
        access, pod = args.access, args.pod
        needs = [
            access.place(self, f"{name}-account", service_account(pod.name, pod.namespace), *args.after),
            # Named by its content: Pulumi creates the new one, updates the CronJob, and then deletes the old one.
            access.place(self, f"{name}-{pod.code_name}", code_pod_spec.code(pod), *args.after),
        ]
        self.cron_job = access.place(self, name, args.cron_job, *needs)
        self.register_outputs({})
