"""KMS: the rotation period, and keys that are disabled or waiting for deletion."""

from __future__ import annotations

import datetime
import json
from typing import Any

from sandbox.aws.answer import Answer
from sandbox.aws.behaviours.keys import find_key, pending_deletion, unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

DEFAULT_ROTATION_DAYS = 365

CRYPTOGRAPHIC = ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Sign", "Verify", "GenerateMac")
"""Operations that need the key's material and name the key by KeyId."""
MANAGING = (
    *("EnableKey", "DisableKey", "EnableKeyRotation", "DisableKeyRotation"),
    *("UpdateKeyDescription", "CreateGrant", "ScheduleKeyDeletion"),
)
"""Operations that are refused while the key waits for its deletion."""


@answers("kms", *CRYPTOGRAPHIC)
def use_key(call: Call, moto: Moto) -> Answer:
    if problem := unusable(call.parameters["KeyId"], call.region):
        raise problem
    return moto()


@answers("kms", "Decrypt", "ReEncrypt")
def decrypt(call: Call, moto: Moto) -> Answer:
    """Refuse an unusable key; moto writes its id into the first 36 bytes of a ciphertext."""
    key = call.parameters["CiphertextBlob"][:36].decode("ascii", "replace")
    problem = unusable(key, call.region)
    if problem and problem.code != "NotFoundException":
        raise problem
    return moto()


@answers("kms", *MANAGING, "CancelKeyDeletion")
def manage_key(call: Call, moto: Moto) -> Answer:
    key = find_key(call.parameters["KeyId"], call.region)
    problem = pending_deletion(key)
    if problem and call.operation in MANAGING:
        raise problem
    # In some operations moto does not find a key by its ARN.
    call.body = json.dumps(json.loads(call.body) | {"KeyId": key.id}).encode()
    answer = moto()
    if call.operation == "EnableKeyRotation" and answer.status < 300:
        vars(key)["rotation_days"] = call.parameters.get("RotationPeriodInDays", DEFAULT_ROTATION_DAYS)
        vars(key)["rotation_since"] = datetime.datetime.now(datetime.UTC)
    return answer


@answers("kms", "CreateAlias", "UpdateAlias")
def point_alias(call: Call, moto: Moto) -> Answer:
    if problem := pending_deletion(find_key(call.parameters["TargetKeyId"], call.region)):
        raise problem
    return moto()


@answers("kms", "GetKeyRotationStatus")
def rotation_status(call: Call, moto: Moto) -> dict[str, Any]:
    key = find_key(call.parameters["KeyId"], call.region)
    rotates = key.key_rotation_status and not pending_deletion(key)
    status: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": rotates}
    if rotates:
        days, since = vars(key)["rotation_days"], vars(key)["rotation_since"]
        status |= {"RotationPeriodInDays": days, "NextRotationDate": since + datetime.timedelta(days)}
    return status
