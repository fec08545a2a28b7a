"""The CronJob that backs up the model registry (docs/requirements.md, "Registry backup"). Pure.

It runs in the primary region alone, in every tier: the registry has one writer. The recovery region's bucket receives
the backups by replication; a run there would list a replica that is behind, and write its backups into the bucket that
the primary's come to. So it is suspended there, whole and ready, and is let go after a failover, when the recovery
region's bucket is the one that is written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import REGISTRY_BACKUP
from components.kubernetes.code_pod_spec import CodePod, failure_policy, template
from components.kubernetes.labels import metadata
from components.pod_code import PodCode
from dr.topology.topology import Role

SCHEDULE = "0 */6 * * *"
"""docs/requirements.md, "Registry backup"."""
LATE_SECONDS = 3600
"""A run that could not begin at its time, while the cluster was being upgraded, still does within the hour."""
LONGEST_SECONDS = 5 * 3600
"""Ended before the next one is due: with concurrency forbidden, a run that hangs would keep all others from running."""
RETRIES, KEPT = 3, 3


@dataclass(frozen=True)
class RegistryBackupSpec:
    """The backup of a region's registry.

    Args:
        role: What the region is for.
        region: The region.
        bucket: Its registry bucket.
        image: Python with boto3.
        code: What copies it.
    """

    role: Role
    region: str
    bucket: str
    image: str
    code: PodCode

    @property
    def pod(self) -> CodePod:
        """What runs."""
        return CodePod(
            name=REGISTRY_BACKUP.service_account,
            namespace=REGISTRY_BACKUP.namespace,
            image=self.image,
            code=self.code,
            variables={"AWS_REGION": self.region, "REGISTRY_BUCKET": self.bucket},
        )


def cron_job(spec: RegistryBackupSpec) -> dict[str, Any]:
    """The CronJob."""
    pod = spec.pod
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(pod.name, pod.namespace),
        "spec": {
            "schedule": SCHEDULE,
            "timeZone": "Etc/UTC",
            "suspend": spec.role is Role.RECOVERY,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": KEPT,
            "failedJobsHistoryLimit": KEPT,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": RETRIES,
                    "activeDeadlineSeconds": LONGEST_SECONDS,
                    "podFailurePolicy": failure_policy(pod),
                    "template": template(pod),
                }
            },
        },
    }
