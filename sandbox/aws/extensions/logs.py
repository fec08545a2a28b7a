"""CloudWatch Logs: changes of a log group's key, which moto sets at creation only."""

from __future__ import annotations

from typing import Any

from moto.logs.models import LogGroup, logs_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
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


@answers("logs", "AssociateKmsKey")
def associate(call: Call, moto: Moto) -> dict[str, Any]:
    _group(call).kms_key_id = call.parameters["kmsKeyId"]
    return {}


@answers("logs", "DisassociateKmsKey")
def disassociate(call: Call, moto: Moto) -> dict[str, Any]:
    _group(call).kms_key_id = None
    return {}
