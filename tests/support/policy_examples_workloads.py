"""Examples of the rules on what runs in a cluster."""

from __future__ import annotations

from tests.support.policies import REMOVED, Given
from tests.support.policy_examples_storage import Example

IMAGE = "docker.io/seldonio/mlserver:1.7.1"


def container(name: str) -> dict[str, object]:
    secure = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    return {
        "name": name,
        "image": IMAGE,
        "securityContext": secure,
        "args": ["--store=postgresql:///?service=registry"],
        "env": [{"name": "URL", "value": "http://mlflow.mlflow:5000"}],
    }


POD = {
    "securityContext": {"runAsNonRoot": True},
    "initContainers": [container("first")],
    "containers": [container("server")],
}
DEPLOYMENT = Given("kubernetes:apps/v1:Deployment", "it", {"spec": {"template": {"spec": POD}}})
CRON_JOB = Given("kubernetes:batch/v1:CronJob", "it", {"spec": {"jobTemplate": {"spec": {"template": {"spec": POD}}}}})
AT, IN_JOB = "spec.template.spec", "spec.jobTemplate.spec.template.spec"
UNCLEAR = "without a registry, or without a version or digest"

WORKLOADS = (
    Example(
        "kubernetes-container-confined",
        (DEPLOYMENT,),
        (
            (
                "it",
                f"{AT}.securityContext.runAsNonRoot",
                False,
                "securityContext.runAsNonRoot of the pod is false, not true",
            ),
            (
                "it",
                f"{AT}.containers.0.securityContext.allowPrivilegeEscalation",
                True,
                'allowPrivilegeEscalation of container "server" is true, not false',
            ),
            (
                "it",
                f"{AT}.initContainers.0.securityContext.readOnlyRootFilesystem",
                REMOVED,
                'readOnlyRootFilesystem of container "first" is not set, not true',
            ),
            (
                "it",
                f"{AT}.containers.0.securityContext.capabilities.drop",
                ["NET_RAW"],
                'capabilities.drop of container "server" is ["NET_RAW"], not ["ALL"]',
            ),
        ),
    ),
    Example(
        "kubernetes-image-versioned",
        (CRON_JOB,),
        tuple(
            (
                "it",
                f"{IN_JOB}.containers.0.image",
                image,
                f'image of container "server" is "{image}", {UNCLEAR}',
            )
            for image in ("docker.io/seldonio/mlserver", "docker.io/seldonio/mlserver:latest", "mlserver:1.7.1")
        ),
    ),
    Example(
        "kubernetes-no-password-in-url",
        (DEPLOYMENT,),
        (
            (
                "it",
                f"{AT}.containers.0.args.0",
                "--store=postgresql+psycopg2://mlflow:secret@host/mlflow",
                'container "server" has a URL of postgresql+psycopg2 with a password',
            ),
            (
                "it",
                f"{AT}.initContainers.0.env.0.value",
                "redis://:secret@host:6379",
                'container "first" has a URL of redis with a password',
            ),
        ),
    ),
)
