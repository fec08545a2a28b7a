"""The Job that processes a region's own datasets in shards (docs/requirements.md, "Batch processing"). Pure.

It is a CronJob that is suspended for ever: the one kind of object that keeps a Job's template, and that people can
start, `kubectl create job --from=cronjob/process-datasets <run> -n ml-training`. Its run is named by the Job, so that a
Job that was begun anew by another name processes everything anew.

Both regions have it, each for its own bucket: data arrives in both by replication, and is processed where it is. Each
writes its results under its own region's name, which replication carries to the other.
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
"""A CronJob has to have a schedule; suspended, it has no effect."""
RETRIES_OF_INDEX = 3
LONGEST_SECONDS = 24 * 3600
KEPT_SECONDS = 7 * 24 * 3600
"""A Job that ended is there for a week to be looked at. Its results stay."""
RUN_LABEL = "batch.kubernetes.io/job-name"
"""On every pod of a Job (Kubernetes documentation, "Jobs")."""


@dataclass(frozen=True)
class ProcessingSpec:
    """Processing of a region's datasets.

    Args:
        region: The region.
        bucket: Its datasets bucket.
        image: Python with boto3.
        code: What processes a shard.
        prefix: Which objects; empty is the whole bucket.
        shards: Parts that are processed apart; more than run at once, so that the last one is not half of the work.
        at_once: Pods that run at a time.
        processor: What is done with an object, "module:function"; empty profiles it.
    """

    region: str
    bucket: str
    image: str
    code: PodCode
    prefix: str = SETS
    shards: int = 12
    at_once: int = 4
    processor: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.at_once <= self.shards:
            raise ValueError(f"{self.at_once} pods at once for {self.shards} shards: some would have nothing to do")

    @property
    def pod(self) -> CodePod:
        """What runs. The Job itself tells each pod its index, in JOB_COMPLETION_INDEX."""
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
    """The CronJob that keeps the Job's template.

    Each index is tried again by itself, and one that fails for good lets the others finish: what they did is kept.
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
                    "parallelism": spec.at_once,
                    "backoffLimitPerIndex": RETRIES_OF_INDEX,
                    "activeDeadlineSeconds": LONGEST_SECONDS,
                    "ttlSecondsAfterFinished": KEPT_SECONDS,
                    "podFailurePolicy": failure_policy(pod),
                    "template": template(pod),
                }
            },
        },
    }
