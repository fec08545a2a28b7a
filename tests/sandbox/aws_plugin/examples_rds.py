"""Examples of Aurora's types, and of Secrets Manager's."""

from __future__ import annotations

from typing import Any

from tests.sandbox.aws_plugin.examples import KEY, TAGS, Example, Inputs
from tests.sandbox.aws_plugin.examples_ec2 import SUBNET, subnet

GLOBAL = "aws:rds/globalCluster:GlobalCluster"
CLUSTER = "aws:rds/cluster:Cluster"
INSTANCE = "aws:rds/clusterInstance:ClusterInstance"
SUBNETS = "aws:rds/subnetGroup:SubnetGroup"
SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
ENGINE = {"engine": "aurora-postgresql"}
TAG_CHANGES = frozenset({'tags["dr:role"]', 'tagsAll["dr:role"]'})


def _tagged(inputs: Inputs, **changes: Any) -> tuple[Inputs, Inputs]:
    return {**inputs, "tags": TAGS}, {**inputs, **changes, "tags": {"team": "ml"}}


def _global(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    before = {"globalClusterIdentifier": name, "engineVersion": "16.8", "storageEncrypted": True, **ENGINE}
    return _tagged(before, engineVersion="17.7")


def _cluster_of(engine: Any, name: str) -> Inputs:
    world = engine.make(GLOBAL, name, globalClusterIdentifier=f"{name}-global", storageEncrypted=True, **ENGINE).id
    return {
        "clusterIdentifier": name,
        "globalClusterIdentifier": world,
        "masterUsername": "registry",
        "masterPassword": "a-password-of-a-test",
        "storageEncrypted": True,
        "kmsKeyId": engine.make(KEY, name).state["arn"],
        "backupRetentionPeriod": 7,
        "skipFinalSnapshot": True,
        "applyImmediately": True,
        **ENGINE,
    }


def _cluster(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    return _tagged(_cluster_of(engine, name), backupRetentionPeriod=14, copyTagsToSnapshot=True)


def _instance(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    cluster = engine.make(CLUSTER, name, **_cluster_of(engine, name)).id
    before = {"identifier": f"{name}-1", "clusterIdentifier": cluster, "instanceClass": "db.r6g.large", **ENGINE}
    return _tagged({**before, "applyImmediately": True}, instanceClass="db.r6g.xlarge")


def _subnets(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    first = subnet(engine, name)
    zones = {"availabilityZone": "us-east-1b", "cidrBlock": "10.0.128.0/24"}
    ids = [engine.make(SUBNET, f"{name}-{n}", **each).id for n, each in enumerate((first, {**first, **zones}))]
    return _tagged({"name": name, "subnetIds": ids, "description": "one"}, description="two")


def _secret(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    replica = engine.make(KEY, f"{name}-replica", region="us-west-2").state["arn"]
    before = {
        "name": name,
        "description": "one",
        "kmsKeyId": engine.make(KEY, name).state["arn"],
        "replicas": [{"region": "us-west-2", "kmsKeyId": replica}],
        "recoveryWindowInDays": 0,
    }
    return _tagged(before, description="two")


def _version(engine: Any, name: str) -> tuple[Inputs, Inputs]:
    inputs = {"secretId": engine.make(SECRET, name, name=name).id, "secretString": "a value"}
    return inputs, inputs  # a change replaces it


EXAMPLES_RDS = {
    "rds-global-cluster": Example(GLOBAL, _global, frozenset({"engineVersion"}) | TAG_CHANGES),
    "rds-cluster": Example(CLUSTER, _cluster, frozenset({"backupRetentionPeriod", "copyTagsToSnapshot"}) | TAG_CHANGES),
    "rds-cluster-instance": Example(INSTANCE, _instance, frozenset({"instanceClass"}) | TAG_CHANGES),
    "rds-subnet-group": Example(SUBNETS, _subnets, frozenset({"description"}) | TAG_CHANGES),
    "secret": Example(SECRET, _secret, frozenset({"description"}) | TAG_CHANGES),
    "secret-version": Example(VERSION, _version, frozenset(), stays=True),
}
