"""CodeBuild projects.

After internal/service/codebuild/project.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

from typing import Any

from sandbox.aws_plugin.check import between
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType, Tags


def _create(project: Resource) -> None:
    answer = project.send("create_project", **project.arguments("create_project"), tags=_pairs(project))
    project.id, project.tagged = answer["project"]["arn"], True


def _pairs(project: Resource) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in project.wanted["tagsAll"].items()]


def _found(project: Resource) -> dict[str, Any] | None:
    projects = project.send("batch_get_projects", names=[project.id])["projects"]
    return dict(projects[0]) if projects else None


def _update(project: Resource) -> None:
    project.send("update_project", **project.arguments("update_project"))


def _delete(project: Resource) -> None:
    project.send("delete_project", name=project.id)


def _read_tags(project: Resource) -> dict[str, str]:
    found = _found(project) or {}
    return {tag["key"]: tag["value"] for tag in found.get("tags") or []}


def _write_tags(project: Resource, added: dict[str, str], removed: list[str]) -> None:
    kept = {key: value for key, value in _read_tags(project).items() if key not in removed} | added
    pairs = [{"key": key, "value": value} for key, value in kept.items()]
    project.send("update_project", name=project.id.rpartition("/")[2], tags=pairs)


PROJECT = ResourceType(
    token="aws:codebuild/project:Project",
    service="codebuild",
    shape="CreateProjectInput",
    properties="""name! description serviceRole! buildTimeout=timeoutInMinutes concurrentBuildLimit
                  source{type! location buildspec} artifacts{type! location}
                  environment{type! computeType! image! imagePullCredentialsType
                              environmentVariables{name! value! type}}
                  vpcConfig{vpcId! subnets:set! securityGroupIds:set!}
                  logsConfig{cloudwatchLogs=cloudWatchLogs{status groupName streamName}}""",
    outputs="arn=arn:string",
    auto_name=AutoName("name", 150),
    defaults={
        "buildTimeout": 60,
        "environment.imagePullCredentialsType": "CODEBUILD",
    },
    replace_on=frozenset({"name"}),
    checks=(between("buildTimeout", 5, 2160),),
    create=_create,
    read=_found,
    update=(("", _update),),
    delete=_delete,
    tags=Tags(_read_tags, _write_tags),
    retries=("ot authorized to perform",),
)
TYPES = (PROJECT,)
