"""AWS Backup: logically air-gapped vaults, which moto lacks.

Source: the API reference in botocore's service model; developer guide, "Logically air-gapped vault". The lock of such a
vault cannot be changed. Deletion needs an empty vault, as that of each other one (`backup_vaults`).
"""

from __future__ import annotations

import re
from typing import Any

from moto.backup.models import backup_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import AwsError
from sandbox.aws.behaviours import air_gapped
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.backup import LONGEST_DAYS, wrong

NAME = re.compile(r"[a-zA-Z0-9\-_]{2,50}")
LEAST_DAYS = 7


@answers("backup", "CreateLogicallyAirGappedBackupVault")
def create_vault(call: Call, moto: Moto) -> dict[str, Any]:
    """Create a vault; the same request again returns the same vault."""
    wanted = call.parameters
    name, least, most = wanted["BackupVaultName"], wanted["MinRetentionDays"], wanted["MaxRetentionDays"]
    request, key = wanted.get("CreatorRequestId", ""), wanted.get("EncryptionKeyArn")
    if not NAME.fullmatch(name):
        raise wrong(f"Invalid backup vault name {name}")
    if least < LEAST_DAYS:
        raise wrong(f"MinRetentionDays {least} is less than {LEAST_DAYS}")
    if not least <= most <= LONGEST_DAYS:
        raise wrong(f"MaxRetentionDays {most} is not between MinRetentionDays {least} and {LONGEST_DAYS}")
    if key and (problem := unusable(key, call.region)):
        raise wrong(f"{problem.code}: {problem.message}")
    found = backup_backends[ACCOUNT][call.region].vaults.get(name)
    if found is None:
        found = air_gapped.create(call.region, name, wanted.get("BackupVaultTags") or {}, (least, most), key, request)
    elif not (request and found.creator_request_id == request and air_gapped.is_air_gapped(found)):
        raise AwsError("AlreadyExistsException", "Backup vault with the same name already exists")
    return {**found.to_dict(), "VaultState": air_gapped.CREATING}
