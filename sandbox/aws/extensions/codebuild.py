"""CodeBuild: projects that are checked and can be changed, and builds that run their commands on this machine.

moto stores projects and lets every build succeed at once.
"""

from __future__ import annotations

import datetime
import re
from typing import Any
from uuid import uuid4

from moto.codebuild.models import codebuild_backends
from moto.ec2.models import ec2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours.builds import Build
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.iam import role_trusts

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,149}")


def _projects(region: str) -> dict[str, dict[str, Any]]:
    """The projects of a region by name, kept with moto's own state, so that a reset drops them."""
    kept: dict[str, dict[str, Any]] = vars(codebuild_backends[ACCOUNT][region]).setdefault("sandbox_projects", {})
    return kept


def _builds(region: str) -> dict[str, Build]:
    """The builds of a region by ID."""
    kept: dict[str, Build] = vars(codebuild_backends[ACCOUNT][region]).setdefault("sandbox_builds", {})
    return kept


def _wrong(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)


def _project(call: Call, name: str) -> dict[str, Any]:
    found = _projects(call.region).get(name.rpartition("/")[2])
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Project cannot be found: {name}")
    return found


def _check(call: Call, wanted: dict[str, Any]) -> None:
    """Refuse what CodeBuild refuses: a role that it cannot assume, and a VPC that does not have the subnets."""
    arn = f"arn:aws:codebuild:{call.region}:{ACCOUNT}:project/{wanted['name']}"
    if not role_trusts(wanted["serviceRole"], "codebuild.amazonaws.com", arn):
        raise _wrong("CodeBuild is not authorized to perform: sts:AssumeRole on service role")
    if network := wanted.get("vpcConfig"):
        subnets = {
            subnet.id: subnet.vpc_id
            for zones in ec2_backends[ACCOUNT][call.region].subnets.values()
            for subnet in zones.values()
        }
        if any(subnets.get(id) != network["vpcId"] for id in network["subnets"]):
            raise _wrong(f"The subnets {', '.join(network['subnets'])} are not in the VPC {network['vpcId']}")


@answers("codebuild", "CreateProject")
def create(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, kept = dict(call.parameters), _projects(call.region)
    if not NAME.fullmatch(wanted["name"]):
        raise _wrong(f"Invalid project name: {wanted['name']}")
    if wanted["name"] in kept:
        raise AwsError("ResourceAlreadyExistsException", f"Project already exists: {wanted['name']}")
    _check(call, wanted)
    arn = f"arn:aws:codebuild:{call.region}:{ACCOUNT}:project/{wanted['name']}"
    made = datetime.datetime.now(datetime.UTC)
    kept[wanted["name"]] = wanted | {"arn": arn, "created": made, "lastModified": made}
    return {"project": kept[wanted["name"]]}


@answers("codebuild", "UpdateProject")
def update(call: Call, moto: Moto) -> dict[str, Any]:
    found = _project(call, call.parameters["name"])
    _check(call, found | call.parameters)
    found |= call.parameters | {"lastModified": datetime.datetime.now(datetime.UTC)}
    return {"project": found}


@answers("codebuild", "BatchGetProjects")
def read(call: Call, moto: Moto) -> dict[str, Any]:
    kept = _projects(call.region)
    names = {name: name.rpartition("/")[2] for name in call.parameters["names"]}
    return {
        "projects": [kept[short] for short in names.values() if short in kept],
        "projectsNotFound": [name for name, short in names.items() if short not in kept],
    }


@answers("codebuild", "ListProjects")
def list_projects(call: Call, moto: Moto) -> dict[str, Any]:
    return {"projects": sorted(_projects(call.region))}


@answers("codebuild", "DeleteProject")
def delete(call: Call, moto: Moto) -> dict[str, Any]:
    _projects(call.region).pop(call.parameters["name"].rpartition("/")[2], None)
    return {}


@answers("codebuild", "StartBuild")
def start(call: Call, moto: Moto) -> dict[str, Any]:
    """Start a build in a process on this machine, from inside the project's VPC."""
    project = _project(call, call.parameters["projectName"])
    running = [each for each in _builds(call.region).values() if each.project == project["name"] and not each.ended]
    if (most := project.get("concurrentBuildLimit")) and len(running) >= most:
        limit = f"Cannot have more than {most} builds in queue for the project"
        raise AwsError("AccountLimitExceededException", limit)
    build = Build(f"{project['name']}:{uuid4()}", call.region, project, call.parameters, call.world)
    _builds(call.region)[build.id] = build
    build.start()
    return {"build": build.described()}


@answers("codebuild", "ListBuildsForProject")
def list_builds(call: Call, moto: Moto) -> dict[str, Any]:
    """List the IDs of a project's builds, the newest first unless the order is ascending."""
    project = _project(call, call.parameters["projectName"])
    found = [each.id for each in _builds(call.region).values() if each.project == project["name"]]
    return {"ids": found if call.parameters.get("sortOrder") == "ASCENDING" else found[::-1]}


@answers("codebuild", "BatchGetBuilds")
def read_builds(call: Call, moto: Moto) -> dict[str, Any]:
    kept, ids = _builds(call.region), call.parameters["ids"]
    return {
        "builds": [kept[id].described() for id in ids if id in kept],
        "buildsNotFound": [id for id in ids if id not in kept],
    }
