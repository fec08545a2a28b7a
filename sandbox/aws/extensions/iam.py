"""IAM: AWS managed policies, loaded at their first use, and tags of instance profiles.

moto can load all 1,500 policies, which takes a quarter of a second at every start and reset.
"""

from __future__ import annotations

import functools
import json
import re
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends
from moto.sts.models import sts_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


@answers("iam", "AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy", "GetPolicy", "GetPolicyVersion")
def name_policy(call: Call, moto: Moto) -> Answer:
    arn, known = call.parameters["PolicyArn"], iam_backends[ACCOUNT][PARTITION].managed_policies
    name = arn.rpartition("/")[2]
    if arn.startswith(f"arn:{PARTITION}:iam::aws:policy/") and arn not in known and name in _managed_by_aws():
        policy = AWSManagedPolicy.from_data(name, ACCOUNT, PARTITION, _managed_by_aws()[name])
        known[policy.arn] = policy
    return moto()


@answers("iam", "ListInstanceProfileTags")
def list_profile_tags(call: Call, moto: Moto) -> dict[str, Any]:
    profiles = iam_backends[ACCOUNT][PARTITION].instance_profiles.values()
    name = call.parameters["InstanceProfileName"]
    found = next((profile for profile in profiles if profile.name == name), None)
    if found is None:
        raise AwsError("NoSuchEntity", f"Instance Profile {name} cannot be found.")
    return {"Tags": found.tags, "IsTruncated": False}


@functools.cache
def _managed_by_aws() -> dict[str, dict[str, Any]]:
    policies: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return policies


PASSED = {
    *("eks.amazonaws.com", "pods.eks.amazonaws.com", "scheduler.amazonaws.com", "vpc-flow-logs.amazonaws.com"),
    "codebuild.amazonaws.com",
}
"""Services that pass aws:SourceAccount and aws:SourceArn when they assume a role, by their documentation."""
SOURCES = ("aws:sourceaccount", "aws:sourcearn")
LIKE = ("StringLike", "ArnLike", "ArnEquals")
"""Operators with wildcards (IAM user guide, "IAM JSON policy elements: Condition operators")."""


def role_trusts(arn: str, service: str, source: str = "") -> bool | None:
    """Whether a role's trust policy lets a service assume it; None if the role does not exist.

    A condition on a source that the service does not pass never matches. Conditions on other keys are not evaluated.

    Args:
        arn: ARN of the role.
        service: Service principal.
        source: ARN of the resource for which the service acts, where the caller knows it; "" otherwise.
    """
    for role in iam_backends[ACCOUNT][PARTITION].roles.values():
        if role.arn == arn:
            statements = json.loads(unquote(role.assume_role_policy_document))["Statement"]
            return any(_trusts(each, service, source) for each in listed(statements))
    return None


def _trusts(statement: dict[str, Any], service: str, source: str) -> bool:
    principal = statement.get("Principal", {})
    if statement.get("Effect") != "Allow" or not isinstance(principal, dict):
        return False
    if service not in listed(principal.get("Service", [])):
        return False
    for operator, tests in statement.get("Condition", {}).items():
        for key, wanted in tests.items():
            if key.lower() not in SOURCES:
                continue
            value = ACCOUNT if key.lower() == "aws:sourceaccount" else source
            if service not in PASSED:
                return False
            match = fnmatchcase if operator in LIKE else str.__eq__
            if value and not any(match(value, each) for each in listed(wanted)):
                return False
    return True


CREDENTIAL = re.compile(r"Credential=([^/,]+)/")


def caller(call: Call) -> str:
    """ARN of the caller, by the access key that signed the request."""
    signed = CREDENTIAL.search(call.environ.get("HTTP_AUTHORIZATION", ""))
    _, arn, _ = sts_backends[ACCOUNT][PARTITION].get_caller_identity(signed[1] if signed else "", call.region)
    return str(arn)


def principal_of(arn: str) -> str:
    """Return the ARN of the IAM principal of a caller: of a session, its role with its path."""
    if ":assumed-role/" in arn:
        name = arn.split("/")[1]
        roles = iam_backends[ACCOUNT][PARTITION].roles.values()
        found = next((role.arn for role in roles if role.name == name), None)
        return str(found or f"arn:aws:iam::{ACCOUNT}:role/{name}")
    return arn.replace(":sts:", ":iam:", 1)


def listed(value: Any) -> list[Any]:
    """Return a policy element that may be one value or a list as a list."""
    return value if isinstance(value, list) else [value]
