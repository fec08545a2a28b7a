"""Examples of Amazon ECR's types."""

from __future__ import annotations

import json
from typing import Any

from tests.sandbox.aws_plugin.examples import KEY, TAGS, Example, Inputs

REPOSITORY = "aws:ecr/repository:Repository"
LIFECYCLE_POLICY = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
REGISTRY_REPLICATION = "aws:ecr/replicationConfiguration:ReplicationConfiguration"


def _repository(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    key = engine.make(KEY, name).state["arn"]
    before = {
        "name": f"team/{name}",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfigurations": [{"encryptionType": "KMS", "kmsKey": key}],
        "forceDelete": True,
        "tags": TAGS,
    }
    changed = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
    return before, {**before, **changed, "tags": {"team": "ml"}}


def _lifecycle(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    repository = engine.make(REPOSITORY, name, name=name).id
    selection = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 30}
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    policy = {"repository": repository, "policy": json.dumps({"rules": [rule]})}
    return policy, policy  # a change replaces it


def _replication(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    def rules(prefix: str) -> Inputs:
        destination = {"region": "us-west-2", "registryId": "123456789012"}
        filters = [{"filter": prefix, "filterType": "PREFIX_MATCH"}]
        return {"replicationConfiguration": {"rules": [{"destinations": [destination], "repositoryFilters": filters}]}}

    return rules("one/"), rules("two/")


EXAMPLES_ECR = {
    "ecr-repository": Example(
        REPOSITORY,
        _repository,
        frozenset(
            {"imageTagMutability", "imageScanningConfiguration.scanOnPush", 'tags["dr:role"]', 'tagsAll["dr:role"]'}
        ),
    ),
    "ecr-lifecycle": Example(LIFECYCLE_POLICY, _lifecycle, frozenset()),
    "ecr-replication": Example(
        REGISTRY_REPLICATION,
        _replication,
        frozenset({"replicationConfiguration.rules[0].repositoryFilters[0].filter"}),
    ),
}
