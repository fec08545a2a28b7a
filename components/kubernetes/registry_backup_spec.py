"""The CronJob that backs up the model registry (docs/requirements.md, "Registry backup"). Pure.

It runs only in the region that serves, in every tier, because the registry has one writer. Replication copies the
backups to the other region's bucket. A run there would list a replica that lags behind, and write into the bucket that
receives the backups. So the CronJob is suspended there. A failover resumes it (`dr.topology.writers`), since
applications then write to the recovery region's bucket.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import REGISTRY_BACKUP
from components.kubernetes.code_pod_spec import CodePod, failure_policy, template
from components.kubernetes.labels import metadata
from components.pod_code import PodCode
from dr.topology import writers

SCHEDULE = "0 */6 * * *"
"""docs/requirements.md, "Registry backup"."""
LATE_SECONDS = 3600
"""Starting deadline in seconds: a run that could not start on time, as in a cluster upgrade, starts within an hour."""
LONGEST_SECONDS = 5 * 3600
"""Deadline before the next run: with concurrency forbidden, a hanging run would block all others."""
RETRIES, KEPT = 3, 3


@dataclass(frozen=True)
class RegistryBackupSpec:
    """Specification of a region's registry backup.

    Args:
        serves: Whether clients use the region.
        region: The region.
        bucket: Name of its registry bucket.
        image: Image with Python and boto3.
        code: Code that copies the registry.
    """

    serves: bool
    region: str
    bucket: str
    image: str
    code: PodCode

    @property
    def pod(self) -> CodePod:
        """The pod."""
        return CodePod(
            name=REGISTRY_BACKUP.service_account,
            namespace=REGISTRY_BACKUP.namespace,
            image=self.image,
            code=self.code,
            variables={"AWS_REGION": self.region, "REGISTRY_BUCKET": self.bucket},
        )


def cron_job(spec: RegistryBackupSpec) -> dict[str, Any]:
    """Return the CronJob."""
    pod = spec.pod
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(pod.name, pod.namespace),
        "spec": {
            "schedule": SCHEDULE,
            "timeZone": "Etc/UTC",
            **writers.REGISTRY.fields(spec.serves),
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
