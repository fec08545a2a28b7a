"""Rules on databases."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Level, Resource, Rule, must_be, shown

CLUSTER, INSTANCE = "aws:rds/cluster:Cluster", "aws:rds/clusterInstance:ClusterInstance"
GLOBAL = "aws:rds/globalCluster:GlobalCluster"
LEAST_DAYS = 7


def encrypted(cluster: Resource) -> Facts:
    """Check that storage is encrypted with a named key."""
    yield from must_be("storageEncrypted", True)(cluster)
    if not cluster.look("kmsKeyId"):
        yield "kmsKeyId is not set"


def protected(resource: Resource) -> Facts:
    """Check deletion protection. A secondary cluster has none: a tier without it could not be deployed."""
    secondary = resource.type == CLUSTER and resource.look("globalClusterIdentifier") and is_unset(resource)
    if not secondary:
        yield from must_be("deletionProtection", True)(resource)


def is_unset(cluster: Resource) -> bool:
    """Return whether a cluster has no master user of its own."""
    return cluster.look("masterUsername") is None


def kept(cluster: Resource) -> Facts:
    """Check the retention of automated backups."""
    days = cluster.look("backupRetentionPeriod")
    if days is not UNKNOWN and (not days or days < LEAST_DAYS):
        yield f"backupRetentionPeriod is {shown(days)}, less than {LEAST_DAYS}"


RULES = (
    Rule(
        name="database-encrypted-with-key",
        requirement="A database cluster must be encrypted with a named KMS key.",
        reason="the encryption of a cluster cannot be changed later, and a copy in another region needs a key there",
        remedy="set storage_encrypted and kms_key_id",
        types=(CLUSTER,),
        check=encrypted,
    ),
    Rule(
        name="database-deletion-protection",
        requirement="A global cluster, and each cluster but a secondary one, must have deletion protection.",
        reason="one wrong call would delete the data and its automated backups",
        remedy="set deletion_protection, in this program by dr:protectData",
        types=(GLOBAL, CLUSTER),
        check=protected,
        # A deployment that is to be destroyed sets dr:protectData to false first.
        level=Level.ADVISORY,
    ),
    Rule(
        name="database-not-public",
        requirement="A database instance must not be publicly accessible.",
        reason="a database with a public address is attacked from everywhere",
        remedy="set publicly_accessible to False",
        types=(INSTANCE,),
        check=must_be("publiclyAccessible", False),
    ),
    Rule(
        name="database-backups-kept",
        requirement=f"Automated backups of a database cluster must be kept for at least {LEAST_DAYS} days.",
        reason="damage that is found after a weekend could not be undone",
        remedy="set backup_retention_period, in this program by dr:databaseRetentionDays",
        types=(CLUSTER,),
        check=kept,
    ),
)
