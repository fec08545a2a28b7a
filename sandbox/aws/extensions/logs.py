"""CloudWatch Logs: a log group's key, which its policy must let CloudWatch Logs use. moto sets it at creation only."""

from __future__ import annotations

from typing import Any

from moto.logs.models import LogGroup, logs_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import find_key, unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


def _group(call: Call) -> LogGroup:
    """The log group that a request names, by name or by ARN."""
    name = call.parameters.get("logGroupName") or call.parameters.get("resourceIdentifier", "")
    name = str(name).rpartition(":log-group:")[2]
    group = logs_backends[ACCOUNT][call.region].groups.get(name)
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _check_key(call: Call) -> None:
    """Refuse a key that CloudWatch Logs cannot use (CloudWatch Logs user guide, "Encrypt log data")."""
    arn, service = call.parameters["kmsKeyId"], f"logs.{call.region}.amazonaws.com"
    problem = unusable(arn, call.region)
    if problem is None and service in find_key(arn, call.region).policy:
        return
    reason = problem.message if problem else f"its policy does not allow {service}"
    raise AwsError("InvalidParameterException", f"The specified KMS key {arn} cannot be used: {reason}")


@answers("logs", "CreateLogGroup")
def create(call: Call, moto: Moto) -> Answer:
    """Create a log group after a check of its key."""
    if call.parameters.get("kmsKeyId"):
        _check_key(call)
    return moto()


@answers("logs", "AssociateKmsKey")
def associate(call: Call, moto: Moto) -> dict[str, Any]:
    group = _group(call)
    _check_key(call)
    group.kms_key_id = call.parameters["kmsKeyId"]
    return {}


@answers("logs", "DisassociateKmsKey")
def disassociate(call: Call, moto: Moto) -> dict[str, Any]:
    _group(call).kms_key_id = None
    return {}
