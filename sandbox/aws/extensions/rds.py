"""RDS: Aurora clusters and their instances, also as members of a global database, and engine versions.

Sources: API reference in botocore's service model; Aurora user guide, "Configuration requirements of an Amazon Aurora
global database", "Password management with Amazon Aurora and AWS Secrets Manager" and "Adding an AWS Region to an
Amazon Aurora global database". Messages in quotation marks of comments are from public reports.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from moto.ec2.models import ec2_backends
from moto.rds.models import DBCluster, GlobalCluster, RDSBackend, rds_backends

from sandbox import timings
from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import global_databases
from sandbox.aws.behaviours.global_databases import Stopwatch, advance, database_of, databases, is_secondary
from sandbox.aws.behaviours.keys import unusable
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

AURORA = ("aurora-mysql", "aurora-postgresql")
VERSIONS = ("15.12", "15.15", "16.8", "16.11", "17.5", "17.7")
"""Versions of Aurora PostgreSQL. 16.8 and 17.7 have long-term support (Aurora release notes)."""
LONGEST_RETENTION = 35
WRITER_ONLY = {
    "MasterUserPassword": "password",
    "MasterUsername": "master user name",
    "DatabaseName": "database name",
}
"""Parameters of the primary cluster alone: "Cannot specify password for cross region replication cluster"
(crossplane-contrib/provider-aws issue 2072)."""

_designate_writer = DBCluster.designate_writer


def _designate(cluster: DBCluster) -> None:
    """Choose a cluster's writer as moto does; a secondary cluster has readers only."""
    if not is_secondary(cluster):
        _designate_writer(cluster)


DBCluster.designate_writer = _designate  # type: ignore[method-assign,assignment]


def combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def backend_of(call: Call) -> RDSBackend:
    return rds_backends[ACCOUNT][call.region]


def find_database(identifier: str) -> GlobalCluster:
    """Find a global cluster. Raises AwsError."""
    found = databases().get(identifier)
    if found is None:
        raise AwsError("GlobalClusterNotFoundFault", f"Global cluster {identifier} not found")
    return found


def find_cluster(call: Call) -> DBCluster:
    """Find the cluster of this region that a call names, by identifier or ARN. Raises AwsError."""
    name = call.parameters["DBClusterIdentifier"].rpartition(":")[2]
    found = backend_of(call).clusters.get(name)
    if found is None:
        raise AwsError("DBClusterNotFoundFault", f"DBCluster {name} not found.")
    return found


# Clusters --------------------------------------------------------------------------------------------------------


@answers("rds", "CreateDBCluster")
def create_cluster(call: Call, moto: Moto) -> Answer:
    wanted, backend = call.parameters, backend_of(call)
    name = wanted["DBClusterIdentifier"]
    if wanted["Engine"] not in AURORA:
        return moto()
    advance(call.world)
    if name in backend.clusters:
        raise AwsError("DBClusterAlreadyExistsFault", f"DB Cluster already exists: {name}")
    database = find_database(wanted["GlobalClusterIdentifier"]) if "GlobalClusterIdentifier" in wanted else None
    check_places(call, wanted)
    if database:
        _check_member(call, database, wanted)
    elif "MasterUsername" in wanted and not wanted.get("ManageMasterUserPassword"):
        _check_password(wanted)
    if wanted["Engine"] == "aurora-postgresql" and wanted.get("EngineVersion", VERSIONS[-1]) not in VERSIONS:
        raise combination(f"Cannot find version {wanted['EngineVersion']} for aurora-postgresql")
    answer = moto()
    if answer.status < 300:
        cluster = backend.clusters[name]
        if "EngineVersion" not in wanted:
            cluster.engine_version = database.engine_version if database else VERSIONS[-1]
        if "MasterUserPassword" in wanted:
            cluster.master_user_password = wanted["MasterUserPassword"]
        if database:
            cluster.storage_encrypted = database.storage_encrypted or False
            global_databases.join(database, cluster)
    return answer


def check_places(call: Call, wanted: dict[str, Any]) -> None:
    """Refuse a subnet group, security group or key that the region does not have, and an impossible retention."""
    group = wanted.get("DBSubnetGroupName")
    if group and group not in backend_of(call).subnet_groups:
        raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{group}' does not exist.")
    for each in wanted.get("VpcSecurityGroupIds", ()):
        if ec2_backends[ACCOUNT][call.region].get_security_group_from_id(each) is None:
            raise invalid(f"The security group '{each}' does not exist")
    if "KmsKeyId" in wanted and (problem := unusable(wanted["KmsKeyId"], call.region)):
        text = f"The specified KMS key [{wanted['KmsKeyId']}] does not exist, is not enabled or you do not have"
        raise AwsError("KMSKeyNotAccessibleFault", f"{text} permissions to access it. {problem.message}")
    days = wanted.get("BackupRetentionPeriod", 1)
    if not 1 <= days <= LONGEST_RETENTION:
        raise invalid(f"Invalid backup retention period: {days}. Must be between 1 and {LONGEST_RETENTION}")


def _check_password(wanted: dict[str, Any]) -> None:
    password = wanted.get("MasterUserPassword", "")
    if not re.fullmatch(r"[^/\"@]{8,}", password):
        raise invalid('The parameter MasterUserPassword is not a valid password: 8 or more characters, none of / " @')


def _check_member(call: Call, database: GlobalCluster, wanted: dict[str, Any]) -> None:
    """Refuse what a member of a global database cannot be."""
    if wanted.get("ManageMasterUserPassword"):
        raise combination("ManageMasterUserPassword is not supported for a DB cluster in an Aurora global database")
    if wanted["Engine"] != database.engine:
        raise combination(f"The engine {wanted['Engine']} is not the one of the global cluster, {database.engine}")
    if not _same_version(wanted.get("EngineVersion", database.engine_version), database.engine_version):
        versions = f"{wanted['EngineVersion']}, and the global cluster has {database.engine_version}"
        raise combination(f"The engine versions of a global database must be the same; got {versions}")
    writer = global_databases.writer_of(database)
    if writer is None:
        if "MasterUsername" not in wanted:
            raise invalid("The parameter MasterUsername must be provided and must not be blank.")
        _check_password(wanted)
        if bool(wanted.get("StorageEncrypted")) != bool(database.storage_encrypted):
            raise combination("StorageEncrypted of the primary cluster must be that of the global cluster")
        return
    for parameter, meaning in WRITER_ONLY.items():
        if parameter in wanted:
            raise combination(f"Cannot specify {meaning} for cross region replication cluster")
    if any(member.region == call.region for member in database.members):
        raise invalid(f"The global cluster already has a DB cluster in {call.region}")
    if wanted["DBClusterIdentifier"] in [each.resource_id for each in global_databases.clusters()]:
        raise invalid(f"The name {wanted['DBClusterIdentifier']} is used by a DB cluster of another region")
    if database.storage_encrypted and "KmsKeyId" not in wanted:
        raise combination("For encrypted cross-region replica, kmsKeyId should be explicitly specified")
    if call.world.faults.unreachable(writer.region):
        text = f"The primary DB cluster {writer.db_cluster_arn} is not available"
        raise AwsError("InvalidGlobalClusterStateFault", text)


def _same_version(one: str, other: str) -> bool:
    return one.split(".")[:2] == other.split(".")[:2]


@answers("rds", "DescribeDBClusters", "DescribeDBInstances")
def describe(call: Call, moto: Moto) -> Answer:
    advance(call.world)
    return moto()


@answers("rds", "ModifyDBCluster")
def modify_cluster(call: Call, moto: Moto) -> Answer:
    wanted, cluster = call.parameters, find_cluster(call)
    if database_of(cluster) and wanted.get("ManageMasterUserPassword"):
        raise combination("ManageMasterUserPassword is not supported for a DB cluster in an Aurora global database")
    if "MasterUserPassword" in wanted:
        if is_secondary(cluster):
            raise combination("Cannot specify password for cross region replication cluster")
        _check_password(wanted)
    check_places(call, wanted)
    advance(call.world)
    if cluster.status == global_databases.RESETTING:
        raise AwsError("InvalidDBClusterStateFault", f"DBCluster {cluster.resource_id} is not in available state")
    former = vars(cluster).get("_master_user_password")
    answer = moto()
    if answer.status < 300 and "MasterUserPassword" in wanted:
        global_databases.reset_password(cluster, former)
    return answer


@answers("rds", "DeleteDBCluster")
def delete_cluster(call: Call, moto: Moto) -> Answer:
    """Delete a cluster that is in no global database: "This cluster is a part of a global cluster, please remove it
    from globalcluster first" (comment in the provider's internal/service/rds/cluster.go).

    Its automated snapshots are deleted with it unless the call keeps them (API reference, DeleteAutomatedBackups).
    """
    wanted, cluster, backend = call.parameters, find_cluster(call), backend_of(call)
    if bool(wanted.get("SkipFinalSnapshot")) == ("FinalDBSnapshotIdentifier" in wanted):
        raise combination(
            "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified, and not with it"
        )
    if cluster.deletion_protection:
        raise combination("Cannot delete protected Cluster, please disable deletion protection and try again.")
    if database_of(cluster):
        text = "This cluster is a part of a global cluster, please remove it from globalcluster first"
        raise AwsError("InvalidDBClusterStateFault", text)
    answer = moto()
    if answer.status < 300 and wanted.get("DeleteAutomatedBackups", True):
        for name, each in list(backend.cluster_snapshots.items()):
            if each.snapshot_type == "automated" and each.cluster.db_cluster_arn == cluster.db_cluster_arn:
                del backend.cluster_snapshots[name]
    return answer


@answers("rds", "FailoverDBCluster")
def fail_over_cluster(call: Call, moto: Moto) -> Answer:
    """Fail over inside a region; a secondary cluster has no writer."""
    advance(call.world)
    if is_secondary(find_cluster(call)):
        raise AwsError("InvalidDBClusterStateFault", "A secondary cluster of a global database has no writer")
    return moto()


# Instances -------------------------------------------------------------------------------------------------------


@answers("rds", "CreateDBInstance")
def create_instance(call: Call, moto: Moto) -> Answer:
    """Create an instance, which takes minutes to become available in an Aurora cluster."""
    wanted, backend = call.parameters, backend_of(call)
    if "DBClusterIdentifier" not in wanted:
        return moto()
    advance(call.world)
    cluster = find_cluster(call)
    if database_of(cluster) and wanted["DBInstanceClass"].startswith("db.t"):
        raise combination(f"{wanted['DBInstanceClass']} is not supported in an Aurora global database")
    if call.world.faults.no_capacity(call.region, wanted["DBInstanceClass"].removeprefix("db.")):
        text = f"Insufficient capacity of {wanted['DBInstanceClass']} in {call.region}"
        raise AwsError("InsufficientDBInstanceCapacity", text)
    answer = moto()
    if answer.status < 300:
        made: Any = backend.databases[wanted["DBInstanceIdentifier"]]
        made.dbi_resource_id = f"db-{uuid4().hex[:26].upper()}"
        made.status = "creating"
        vars(made)["boot"] = Stopwatch(timings.DATABASE_INSTANCE.of(made.db_instance_identifier))
        if is_secondary(cluster):
            made.is_cluster_writer = False
        status = b"<DBInstanceStatus>%s<"
        answer = Answer(answer.status, answer.body.replace(status % b"available", status % b"creating"), answer.headers)
    return answer


# Subnet groups ---------------------------------------------------------------------------------------------------


@answers("rds", "CreateDBSubnetGroup", "ModifyDBSubnetGroup")
def put_subnet_group(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Store subnets of at least two zones (RDS user guide, "Working with DB subnet groups").

    moto deletes a group that it modifies.
    """
    name, backend = call.parameters["DBSubnetGroupName"], backend_of(call)
    if call.operation == "CreateDBSubnetGroup" and name in backend.subnet_groups:
        raise AwsError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{name}' already exists.")
    subnets = [ec2_backends[ACCOUNT][call.region].get_subnet(each) for each in call.parameters["SubnetIds"]]
    if len({each.availability_zone for each in subnets}) < 2:
        text = "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement: at least 2 AZs"
        raise AwsError("DBSubnetGroupDoesNotCoverEnoughAZs", text)
    if call.operation == "CreateDBSubnetGroup":
        return moto()
    group = backend.subnet_groups.get(name)
    if group is None:
        raise AwsError("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")
    vars(group)["_subnets"] = subnets
    group.description = call.parameters.get("DBSubnetGroupDescription", group.description)
    about = {"DBSubnetGroupName": name, "DBSubnetGroupDescription": group.description, "Subnets": group.subnets}
    return {"DBSubnetGroup": about | {"VpcId": group.vpc_id, "SubnetGroupStatus": "Complete"}}


@answers("rds", "DeleteDBSubnetGroup")
def delete_subnet_group(call: Call, moto: Moto) -> Answer:
    name = call.parameters["DBSubnetGroupName"]
    if any(each.db_subnet_group_name == name for each in backend_of(call).clusters.values()):
        text = f"Cannot delete the subnet group '{name}' because at least one database cluster is still using it."
        raise AwsError("InvalidDBSubnetGroupStateFault", text)
    return moto()


# Engine versions -------------------------------------------------------------------------------------------------


@answers("rds", "DescribeDBEngineVersions")
def describe_versions(call: Call, moto: Moto) -> dict[str, Any]:
    """List the versions of Aurora PostgreSQL; other engines are not emulated."""
    engine, version = call.parameters.get("Engine"), call.parameters.get("EngineVersion")
    found = [each for each in VERSIONS if engine in (None, "aurora-postgresql") and version in (None, each)]
    return {
        "DBEngineVersions": [
            {
                "Engine": "aurora-postgresql",
                "EngineVersion": each,
                "DBParameterGroupFamily": f"aurora-postgresql{each.split('.')[0]}",
                "DBEngineDescription": "Aurora (PostgreSQL)",
                "SupportsGlobalDatabases": True,
                "SupportedEngineModes": ["provisioned"],
                "Status": "available",
                "ValidUpgradeTarget": [
                    {
                        "Engine": "aurora-postgresql",
                        "EngineVersion": later,
                        "IsMajorVersionUpgrade": later.split(".")[0] != each.split(".")[0],
                        "SupportsGlobalDatabases": True,
                    }
                    for later in VERSIONS[VERSIONS.index(each) + 1 :]
                ],
            }
            for each in found
        ]
    }
