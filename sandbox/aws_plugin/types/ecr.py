"""Repositories of container images, their lifecycle policies, and the replication of a registry.

After internal/service/ecr of the provider that the real plugin wraps (terraform-provider-aws): repository.go,
lifecycle_policy.go, replication_configuration.go.
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType

NAME = r"(?=.{2,256}$)(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"


def _create_repository(repository: Resource) -> None:
    arguments = repository.arguments("create_repository")
    if encryption := arguments.pop("encryptionConfiguration", None):
        # A list of one in Pulumi, an object in AWS.
        arguments["encryptionConfiguration"] = encryption[0]
    tags = [{"Key": name, "Value": value} for name, value in repository.wanted.get("tagsAll", {}).items()]
    repository.send("create_repository", **arguments, **({"tags": tags} if tags else {}))
    repository.id, repository.tagged = repository.wanted["name"], True


def _read_repository(repository: Resource) -> dict[str, Any] | None:
    found = repository.optional("describe_repositories", repositoryNames=[repository.id]).get("repositories", [])
    if not found:
        return None
    encryption = found[0].get("encryptionConfiguration", {})
    return {**found[0], "encryptionConfiguration": [encryption] if encryption else []}


def _mutability(repository: Resource) -> None:
    wanted = repository.wanted["imageTagMutability"]
    repository.send("put_image_tag_mutability", repositoryName=repository.id, imageTagMutability=wanted)


def _scanning(repository: Resource) -> None:
    scan = bool(repository.wanted.get("imageScanningConfiguration", {}).get("scanOnPush"))
    wanted = {"scanOnPush": scan}
    repository.send("put_image_scanning_configuration", repositoryName=repository.id, imageScanningConfiguration=wanted)


def _delete_repository(repository: Resource) -> None:
    force = bool(repository.state.get("forceDelete"))
    repository.send("delete_repository", repositoryName=repository.id, force=force)


REPOSITORY = ResourceType(
    token="aws:ecr/repository:Repository",
    service="ecr",
    shape="CreateRepositoryRequest",
    properties="""name=repositoryName imageTagMutability forceDelete:boolean
                  imageScanningConfiguration{scanOnPush!}
                  encryptionConfigurations=encryptionConfiguration:list{encryptionType=encryptionType:string
                      kmsKey=kmsKey:string}""",
    outputs="arn=repositoryArn:string registryId:string repositoryUrl=repositoryUri:string",
    identity="{repositoryName}",
    auto_name=AutoName("name", 256, lower=True),
    defaults={"imageTagMutability": "MUTABLE"},
    computed=frozenset({"imageScanningConfiguration"}),
    replace_on=frozenset({"name", "encryptionConfigurations"}),
    checks=(matches("name", NAME, "lower-case letters, digits, . _ - and /"),),
    create=_create_repository,
    read=_read_repository,
    update=(("imageTagMutability", _mutability), ("imageScanningConfiguration", _scanning)),
    delete=_delete_repository,
    tags=tagged("resourceArn", "arn", names="tagKeys", tags="tags"),
)


def _put_policy(policy: Resource) -> None:
    policy.id = policy.wanted["repository"]
    policy.send("put_lifecycle_policy", repositoryName=policy.id, lifecyclePolicyText=policy.wanted["policy"])


LIFECYCLE = ResourceType(
    token="aws:ecr/lifecyclePolicy:LifecyclePolicy",
    service="ecr",
    shape="PutLifecyclePolicyRequest",
    properties="repository=repositoryName! policy=lifecyclePolicyText:json!",
    outputs="registryId:string",
    identity="{repositoryName}",
    replace_on=frozenset({"repository", "policy"}),
    create=_put_policy,
    read=Call("get_lifecycle_policy"),
    delete=Call("delete_lifecycle_policy"),
)


def _put_rules(registry: Resource) -> None:
    registry.send("put_replication_configuration", **registry.members())
    registry.id = str(registry.send("describe_registry")["registryId"])


def _read_rules(registry: Resource) -> dict[str, Any] | None:
    found = registry.send("describe_registry")
    return found if found["replicationConfiguration"]["rules"] else None


def _delete_rules(registry: Resource) -> None:
    registry.send("put_replication_configuration", replicationConfiguration={"rules": []})


REPLICATION = ResourceType(
    token="aws:ecr/replicationConfiguration:ReplicationConfiguration",
    service="ecr",
    shape="PutReplicationConfigurationRequest",
    properties="""replicationConfiguration{rules!{destinations!{region! registryId!}
                  repositoryFilters{filter! filterType!}}}""",
    outputs="registryId:string",
    identity="{registryId}",
    create=_put_rules,
    read=_read_rules,
    update=(("replicationConfiguration", _put_rules),),
    delete=_delete_rules,
)

TYPES = (REPOSITORY, LIFECYCLE, REPLICATION)
