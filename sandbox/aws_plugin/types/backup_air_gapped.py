"""AWS Backup: logically air-gapped vaults.

After internal/service/backup/logically_air_gapped_vault.go of the provider that the real plugin wraps
(terraform-provider-aws, 01a3b117). `encryptionKeyArn` was added later. AWS cannot change a vault's key (developer
guide, "Understanding encryption key types"), so a change is taken to replace the vault.
"""

from __future__ import annotations

import time
from typing import Any

from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType
from sandbox.aws_plugin.plugin import SandboxError
from sandbox.aws_plugin.types.backup import ARN, TAGS
from sandbox.aws_plugin.types.rds import POLL_SECONDS, WAIT_SECONDS

TYPE = "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"


def _read(vault: Resource) -> dict[str, Any] | None:
    """Return the vault; a vault of another type does not exist for the plugin."""
    found = vault.send("describe_backup_vault", BackupVaultName=vault.id)
    return found if found.get("VaultType") == TYPE else None


def _create(vault: Resource) -> None:
    """Create the vault, and wait until it is available."""
    arguments = vault.arguments("create_logically_air_gapped_backup_vault")
    vault.tagged = True
    vault.id = vault.send(
        "create_logically_air_gapped_backup_vault", BackupVaultTags=vault.wanted["tagsAll"], **arguments
    )["BackupVaultName"]
    end = time.monotonic() + WAIT_SECONDS
    while (state := (_read(vault) or {}).get("VaultState")) != "AVAILABLE":
        if time.monotonic() > end:
            raise SandboxError(f"{vault.id} is {state} after {WAIT_SECONDS:.0f} s, and not AVAILABLE")
        time.sleep(POLL_SECONDS)


def _delete(vault: Resource) -> None:
    """Delete the vault; the plugin takes a denied deletion for a vault that is gone."""
    try:
        vault.send("delete_backup_vault", BackupVaultName=vault.id)
    except Refused as error:
        if error.code not in ("AccessDeniedException", "ResourceNotFoundException"):
            raise


VAULT = ResourceType(
    token="aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault",
    service="backup",
    shape="CreateLogicallyAirGappedBackupVaultInput",
    properties="name=BackupVaultName minRetentionDays! maxRetentionDays! encryptionKeyArn",
    outputs="arn=BackupVaultArn:string",
    identity="{BackupVaultName}",
    auto_name=AutoName("name", 255),
    computed=frozenset({"encryptionKeyArn"}),
    replace_on=frozenset({"name", "minRetentionDays", "maxRetentionDays", "encryptionKeyArn"}),
    checks=(
        matches("name", r"[a-zA-Z0-9_-]{2,50}", "2 to 50 letters, digits, _ and -"),
        matches("encryptionKeyArn", ARN, "the ARN of a key"),
        between("minRetentionDays", 7, 36_500),
    ),
    create=_create,
    read=_read,
    delete=_delete,
    tags=TAGS,
)

TYPES = (VAULT,)
