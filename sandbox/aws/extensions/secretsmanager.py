"""Secrets Manager: the KMS keys of a secret and its replicas, and the staging labels of its versions.

Sources: user guide, "Replicate AWS Secrets Manager secrets across Regions": each replica is encrypted with a key of its
own region. moto forgets that key, and accepts any. API reference, PutSecretValue, UpdateSecretVersionStage and
ListSecretVersionIds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers


@answers("secretsmanager", "CreateSecret", "ReplicateSecretToRegions", "UpdateSecret")
def keep_keys(call: Call, moto: Moto) -> Answer:
    """Refuse keys that cannot be used, and keep those of replicas."""
    wanted = call.parameters
    for region, key in _keys(call.region, wanted):
        if problem := unusable(key, region):
            text = f"Secrets Manager can't use the KMS key {key} in {region}: {problem.message}"
            raise AwsError("InvalidParameterException", text)
    answer = moto()
    if answer.status < 300:
        secret: Any = secretsmanager_backends[ACCOUNT][call.region].secrets[wanted.get("Name") or wanted["SecretId"]]
        keys = {each["Region"]: each.get("KmsKeyId") for each in wanted.get("AddReplicaRegions", ())}
        for replica in getattr(secret, "replicas", ()):
            if keys.get(replica.region):
                replica.config["KmsKeyId"] = keys[replica.region]
    return answer


def _keys(region: str, wanted: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if key := wanted.get("KmsKeyId"):
        yield region, key
    for each in wanted.get("AddReplicaRegions", ()):
        if key := each.get("KmsKeyId"):
            yield each["Region"], key


def _secret(call: Call) -> Any:
    backend = secretsmanager_backends[ACCOUNT][call.region]
    found = backend.secrets.get(call.parameters["SecretId"])
    if found is None:
        text = "Secrets Manager can't find the specified secret."
        raise AwsError("ResourceNotFoundException", text)
    return found


@answers("secretsmanager", "PutSecretValue")
def put_value(call: Call, moto: Moto) -> Answer:
    """Refuse another value for a version that has one: versions cannot be modified. moto overwrites a pending one."""
    wanted = call.parameters
    held = _secret(call).versions.get(wanted.get("ClientRequestToken"), {}).get("secret_string")
    if held is not None and held != wanted.get("SecretString"):
        text = "You can't use this ClientRequestToken because it is already in use for a version of the secret"
        raise AwsError("ResourceExistsException", text)
    return moto()


@answers("secretsmanager", "UpdateSecretVersionStage")
def move_label(call: Call, moto: Moto) -> Answer:
    """Move a label only from the version that has it; the version with AWSCURRENT is what GetSecretValue returns."""
    wanted, secret = call.parameters, _secret(call)
    label, target = wanted["VersionStage"], wanted.get("MoveToVersionId")
    holder = next((name for name, each in secret.versions.items() if label in each["version_stages"]), None)
    if target and holder not in (None, target, wanted.get("RemoveFromVersionId")):
        text = f"The staging label {label} is attached to version {holder}: RemoveFromVersionId has to name it"
        raise AwsError("InvalidParameterException", text)
    answer = moto()
    if answer.status < 300 and label == "AWSCURRENT":
        secret.default_version_id = target
    return answer


@answers("secretsmanager", "ListSecretVersionIds")
def list_versions(call: Call, moto: Moto) -> dict[str, Any]:
    """List versions with the time of their creation; those without a label only on request."""
    secret = _secret(call)
    every = call.parameters.get("IncludeDeprecated", False)
    listed = [
        {
            "VersionId": name,
            "VersionStages": each["version_stages"],
            "CreatedDate": datetime.fromtimestamp(each["createdate"], UTC),
        }
        for name, each in secret.versions.items()
        if each["version_stages"] or every
    ]
    return {"ARN": secret.arn, "Name": secret.name, "Versions": listed}
