"""KMS: the rotation period, and keys that cannot be used while they are disabled or waiting for deletion."""

from __future__ import annotations

import datetime
import json
from typing import Any

from moto.kms.models import Key, kms_backends

from sandbox.aws.call import ACCOUNT, Answer, AwsError, Call
from sandbox.aws.extensions import Moto, answers

DEFAULT_ROTATION_DAYS = 365

#: Operations that need the key's material, by the parameter that names the key.
CRYPTOGRAPHIC = ("Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "Sign", "Verify", "GenerateMac")
#: Operations refused while the key waits for its deletion.
MANAGING = (
    *("EnableKey", "DisableKey", "EnableKeyRotation", "DisableKeyRotation"),
    *("UpdateKeyDescription", "CreateGrant", "ScheduleKeyDeletion"),
)


def find_key(key: str, region: str) -> Key:
    """A key by id, ARN, alias or the alias's ARN, as a request in `region` sees it. Raises NotFoundException."""
    if key.startswith("arn:") and key.split(":")[3] != region:
        raise AwsError("NotFoundException", f"Invalid arn {key.split(':')[3]}")
    backend = kms_backends[ACCOUNT][region]
    name = backend.get_alias_name(key)
    found = backend.get_key_id_from_alias(name) if name.startswith("alias/") else backend.get_key_id(key)
    if found in backend.keys:
        return backend.keys[found]
    kind, path = ("Alias", "") if "alias/" in key else ("Key", "key/")
    arn = key if key.startswith("arn:") else f"arn:aws:kms:{region}:{ACCOUNT}:{path}{key}"
    raise AwsError("NotFoundException", f"{kind} '{arn}' does not exist")


def unusable(key: str, region: str) -> AwsError | None:
    """Why a key cannot encrypt or decrypt in `region`, as KMS says it; None if it can."""
    try:
        found = find_key(key, region)
    except AwsError as error:
        return error
    if found.key_state == "Enabled":
        return None
    return _pending_deletion(found) or AwsError("DisabledException", f"{found.arn} is disabled.")


def _pending_deletion(key: Key) -> AwsError | None:
    if key.key_state != "PendingDeletion":
        return None
    return AwsError("KMSInvalidStateException", f"{key.arn} is pending deletion.")


@answers("kms", *CRYPTOGRAPHIC)
def use_key(call: Call, moto: Moto) -> Answer:
    if problem := unusable(call.parameters["KeyId"], call.region):
        raise problem
    return moto()


@answers("kms", "Decrypt", "ReEncrypt")
def decrypt(call: Call, moto: Moto) -> Answer:
    """moto writes the id of the key into the first 36 bytes of what it encrypts."""
    key = call.parameters["CiphertextBlob"][:36].decode("ascii", "replace")
    problem = unusable(key, call.region)
    if problem and problem.code != "NotFoundException":
        raise problem
    return moto()


@answers("kms", *MANAGING, "CancelKeyDeletion")
def manage_key(call: Call, moto: Moto) -> Answer:
    key = find_key(call.parameters["KeyId"], call.region)
    problem = _pending_deletion(key)
    if problem and call.operation in MANAGING:
        raise problem
    # moto finds a key by its ARN in some operations only.
    call.body = json.dumps(json.loads(call.body) | {"KeyId": key.id}).encode()
    answer = moto()
    if call.operation == "EnableKeyRotation" and answer.status < 300:
        vars(key)["rotation_days"] = call.parameters.get("RotationPeriodInDays", DEFAULT_ROTATION_DAYS)
        vars(key)["rotation_since"] = datetime.datetime.now(datetime.UTC)
    return answer


@answers("kms", "CreateAlias", "UpdateAlias")
def point_alias(call: Call, moto: Moto) -> Answer:
    if problem := _pending_deletion(find_key(call.parameters["TargetKeyId"], call.region)):
        raise problem
    return moto()


@answers("kms", "GetKeyRotationStatus")
def rotation_status(call: Call, moto: Moto) -> dict[str, Any]:
    key = find_key(call.parameters["KeyId"], call.region)
    rotates = key.key_rotation_status and not _pending_deletion(key)
    status: dict[str, Any] = {"KeyId": key.arn, "KeyRotationEnabled": rotates}
    if rotates:
        days, since = vars(key)["rotation_days"], vars(key)["rotation_since"]
        status |= {"RotationPeriodInDays": days, "NextRotationDate": since + datetime.timedelta(days)}
    return status
