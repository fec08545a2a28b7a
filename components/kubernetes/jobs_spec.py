"""The Job that processes a region's datasets in shards (docs/requirements.md, "Batch processing"). Pure.

It is a permanently suspended CronJob: the only kind that stores a Job's template, from which an operator starts a run
with `kubectl create job --from=cronjob/process-datasets <run> -n ml-training`. The Job's name names the run, so a Job
with another name processes everything again.

Both regions have it, each for its own bucket: replication copies data to both regions, and each processes it locally.
Results are written below the region's name, and replication copies them to the other region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.compute.cluster_iam import BATCH, RESULTS
from components.kubernetes.code_pod_spec import CodePod, failure_policy, template
from components.kubernetes.labels import BATCH_PRIORITY, metadata
from components.pod_code import PodCode
from dr.names import SETS

NEVER = "0 0 1 1 *"
"""A CronJob requires a schedule; while suspended, it has no effect."""
RETRIES_OF_INDEX = 3
LONGEST_SECONDS = 24 * 3600
KEPT_SECONDS = 7 * 24 * 3600
"""A finished Job is kept for a week, for inspection. Its results are kept."""
RUN_LABEL = "batch.kubernetes.io/job-name"
"""Label of every pod of a Job (Kubernetes documentation, "Jobs")."""


@dataclass(frozen=True)
class ProcessingSpec:
    """Specification of a region's dataset processing.

    Args:
        region: The region.
        bucket: Name of its datasets bucket.
        image: Image with Python and boto3.
        code: Code that processes a shard.
        prefix: Prefix of the objects to process; empty for the whole bucket.
        shards: Number of shards; more than `parallelism`, so that the last one is a small part of the work.
        parallelism: Number of pods that run at the same time.
        processor: Function applied to each object, as "module:function"; empty profiles the object.

    Raises:
        ValueError: The parallelism is below 1 or exceeds the number of shards.
    """

    region: str
    bucket: str
    image: str
    code: PodCode
    prefix: str = SETS
    shards: int = 12
    parallelism: int = 4
    processor: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.parallelism <= self.shards:
            raise ValueError(
                f"parallelism {self.parallelism} for {self.shards} shards: use 1 to {self.shards}, since further pods "
                "would be idle"
            )

    @property
    def pod(self) -> CodePod:
        """The pod. The Job passes each pod its shard in JOB_COMPLETION_INDEX."""
        return CodePod(
            name=BATCH.service_account,
            namespace=BATCH.namespace,
            image=self.image,
            code=self.code,
            variables={
                "AWS_REGION": self.region,
                "DATASETS_BUCKET": self.bucket,
                "DATASETS_PREFIX": self.prefix,
                "RESULTS_PREFIX": f"{RESULTS}/{self.region}",
                "SHARDS": str(self.shards),
                "PROCESSOR": self.processor,
            },
            from_pod={"RUN": f"metadata.labels['{RUN_LABEL}']"},
            cpu="500m",
            memory="1Gi",
            priority=BATCH_PRIORITY,
        )


def cron_job(spec: ProcessingSpec) -> dict[str, Any]:
    """Return the CronJob that stores the Job's template.

    Each shard is retried separately; a shard that fails permanently does not stop the others, and their results remain.
    """
    pod = spec.pod
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(pod.name, pod.namespace),
        "spec": {
            "schedule": NEVER,
            "timeZone": "Etc/UTC",
            "suspend": True,
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {
                "spec": {
                    "completionMode": "Indexed",
                    "completions": spec.shards,
                    "parallelism": spec.parallelism,
                    "backoffLimitPerIndex": RETRIES_OF_INDEX,
                    "activeDeadlineSeconds": LONGEST_SECONDS,
                    "ttlSecondsAfterFinished": KEPT_SECONDS,
                    "podFailurePolicy": failure_policy(pod),
                    "template": template(pod),
                }
            },
        },
    }
