"""IAM: AWS managed policies, loaded at their first use, and tags of instance profiles.

moto can load all 1,500 policies, which takes a quarter of a second at every start and reset.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.models import AWSManagedPolicy, iam_backends

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


def role_trusts(arn: str, service: str) -> bool | None:
    """Whether a role's trust policy names a service; None if the role does not exist."""
    for role in iam_backends[ACCOUNT][PARTITION].roles.values():
        if role.arn == arn:
            return service in role.assume_role_policy_document
    return None
