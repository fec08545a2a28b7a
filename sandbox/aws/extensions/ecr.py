"""ECR: download URLs of layers, replication rules and checks that moto lacks; sandbox/charts holds the content."""

from __future__ import annotations

import json
from typing import Any

from moto.ecr.models import ecr_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

MOST_RULES = 10
"""Replication rules of a registry (ECR user guide, "Private image replication")."""
MOST_DESTINATIONS = 25


@answers("ecr", "CreateRepository")
def create_repository(call: Call, moto: Moto) -> Answer:
    key = call.parameters.get("encryptionConfiguration", {}).get("kmsKey")
    if key and (problem := unusable(key, call.region)):
        raise AwsError("KmsException", f"The operation failed due to a KMS exception: {problem.message}")
    return moto()


@answers("ecr", "PutReplicationConfiguration")
def put_replication(call: Call, moto: Moto) -> dict[str, Any]:
    """Replace the rules of a registry; moto takes one rule at most."""
    wanted = call.parameters["replicationConfiguration"]
    rules = wanted["rules"]
    places = {(each["registryId"], each["region"]) for rule in rules for each in rule["destinations"]}
    if len(rules) > MOST_RULES or len(places) > MOST_DESTINATIONS:
        raise _invalid(f"at most {MOST_RULES} rules and {MOST_DESTINATIONS} unique destinations")
    if (ACCOUNT, call.region) in places:
        raise _invalid("Replication destination cannot be the same as the source registry")
    ecr_backends[ACCOUNT][call.region].replication_config = wanted
    return {"replicationConfiguration": wanted}


@answers("ecr", "GetDownloadUrlForLayer")
def download_url(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters
    name, layer = wanted["repositoryName"], wanted["layerDigest"]
    repository = ecr_backends[ACCOUNT][call.region].repositories.get(name)
    if repository is None:
        text = f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
        raise AwsError("RepositoryNotFoundException", text)
    manifests = [json.loads(image.image_manifest) for image in repository.images]
    held = {each["digest"] for manifest in manifests for each in manifest.get("layers", ())}
    if layer not in held:
        raise AwsError("LayersNotFoundException", f"The layer with digest '{layer}' does not exist")
    return {"downloadUrl": f"http://{call.environ['HTTP_HOST']}/_layers/{call.region}/{layer}", "layerDigest": layer}


def _invalid(text: str) -> AwsError:
    fact = f"Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: '{text}'"
    return AwsError("InvalidParameterException", fact)
