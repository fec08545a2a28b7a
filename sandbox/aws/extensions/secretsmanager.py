"""Secrets Manager: the KMS keys of a secret and its replicas.

Source: Secrets Manager user guide, "Replicate AWS Secrets Manager secrets across Regions": each replica is encrypted
with a key of its own region. moto forgets that key, and accepts any.
"""

from __future__ import annotations

from collections.abc import Iterator
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
