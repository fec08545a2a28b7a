"""RDS: global clusters, their members, switchover and failover.

Sources: API reference in botocore's service model; Aurora user guide, "Using switchover or failover in Amazon Aurora
Global Database" and "Removing a cluster from an Amazon Aurora global database". Error codes are those that the model
lists for the operation; messages in quotation marks of comments are from the provider's source.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from moto.rds.models import DBCluster, GlobalCluster, rds_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import global_databases
from sandbox.aws.behaviours.global_databases import advance, databases, promotion_of, synchronization, writer_of
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.rds import AURORA, VERSIONS, combination, find_database, invalid
from sandbox.aws.world import World

SETTINGS_OF_SOURCE = ("Engine", "EngineVersion", "DatabaseName", "StorageEncrypted")
"""Settings that a global cluster takes from its source cluster."""


def wrong_state(message: str) -> AwsError:
    return AwsError("InvalidGlobalClusterStateFault", message)


def described(world: World, database: GlobalCluster) -> dict[str, Any]:
    """Describe a global cluster as AWS does."""
    promotion = promotion_of(database)
    writer = writer_of(database)
    about: dict[str, Any] = {
        "GlobalClusterIdentifier": database.global_cluster_identifier,
        "GlobalClusterResourceId": database.global_cluster_resource_id,
        "GlobalClusterArn": database.global_cluster_arn,
        "Status": promotion.status if promotion else database.status,
        "Engine": database.engine,
        "EngineVersion": database.engine_version,
        "StorageEncrypted": database.storage_encrypted,
        "DeletionProtection": database.deletion_protection,
        "Endpoint": database.endpoint,
        "TagList": database.tags,
        "GlobalClusterMembers": [_member(world, database, each) for each in database.members],
    }
    if name := vars(database).get("database_name") or (writer and writer.database_name):
        about["DatabaseName"] = name
    if promotion:
        about["FailoverState"] = {
            "Status": promotion.status,
            "FromDbClusterArn": promotion.source.db_cluster_arn,
            "ToDbClusterArn": promotion.target.db_cluster_arn,
            "IsDataLossAllowed": promotion.data_loss,
        }
    return about


def _member(world: World, database: GlobalCluster, cluster: DBCluster) -> dict[str, Any]:
    about: dict[str, Any] = {
        "DBClusterArn": cluster.db_cluster_arn,
        "IsWriter": cluster.is_writer,
        "Readers": [],
        "SynchronizationStatus": synchronization(world, database, cluster),
    }
    if cluster.is_writer:
        about["Readers"] = [each.db_cluster_arn for each in database.members if each is not cluster]
    else:
        about["GlobalWriteForwardingStatus"] = "disabled"
    return about


@answers("rds", "CreateGlobalCluster")
def create(call: Call, moto: Moto) -> dict[str, Any]:
    wanted, name = call.parameters, call.parameters["GlobalClusterIdentifier"]
    if name in databases():
        raise AwsError("GlobalClusterAlreadyExistsFault", f"Global cluster {name} already exists")
    source = _source(call, wanted) if "SourceDBClusterIdentifier" in wanted else None
    if source is None:
        if wanted.get("Engine") not in AURORA:
            raise invalid("When creating standalone global cluster, value for engineName should be specified")
        if wanted["Engine"] == "aurora-postgresql" and wanted.get("EngineVersion", VERSIONS[-1]) not in VERSIONS:
            raise invalid(f"The requested engine version {wanted['EngineVersion']} is not supported")
    backend = rds_backends[ACCOUNT][global_databases.HOME]
    made = GlobalCluster(
        backend=backend,
        global_cluster_identifier=name,
        engine=source.engine if source else wanted["Engine"],
        engine_version=source.engine_version if source else wanted.get("EngineVersion", VERSIONS[-1]),
        storage_encrypted=source.storage_encrypted if source else wanted.get("StorageEncrypted", False),
        deletion_protection=wanted.get("DeletionProtection", False),
    )
    made.unique_identifier = uuid4().hex[:12]
    made.global_cluster_resource_id = f"cluster-{uuid4().hex[:16]}"
    made.tags = wanted.get("Tags", [])
    vars(made)["database_name"] = wanted.get("DatabaseName")
    backend.global_clusters[name] = made
    if source:
        global_databases.join(made, source)
    return {"GlobalCluster": described(call.world, made)}


def _source(call: Call, wanted: dict[str, Any]) -> DBCluster:
    if given := [name for name in SETTINGS_OF_SOURCE if name in wanted]:
        raise combination(f"{', '.join(given)} cannot be specified with SourceDBClusterIdentifier")
    identifier = wanted["SourceDBClusterIdentifier"]
    for each in global_databases.clusters():
        if each.db_cluster_arn == identifier or (each.resource_id == identifier and each.region == call.region):
            if global_databases.database_of(each):
                raise AwsError("InvalidDBClusterStateFault", f"{identifier} is already in a global cluster")
            if vars(each).get("manage_master_user_password"):
                text = "ManageMasterUserPassword is not supported for a DB cluster in an Aurora global database"
                raise combination(text)
            return each
    raise AwsError("DBClusterNotFoundFault", f"DBCluster {identifier} not found.")


@answers("rds", "DescribeGlobalClusters")
def describe(call: Call, moto: Moto) -> dict[str, Any]:
    """Describe global clusters. The provider filters by "db-cluster-id"; the API reference names "region"."""
    advance(call.world)
    wanted = call.parameters
    found = list(databases().values())
    if name := wanted.get("GlobalClusterIdentifier"):
        found = [find_database(name)]
    for each in wanted.get("Filters", ()):
        if each["Name"] not in ("db-cluster-id", "region"):
            raise invalid(f"Unrecognized filter name: {each['Name']}")
        found = [one for one in found if _matches(one, each["Name"], each["Values"])]
    return {"GlobalClusters": [described(call.world, each) for each in found]}


def _matches(database: GlobalCluster, name: str, values: list[str]) -> bool:
    if name == "region":
        return any(member.region in values for member in database.members)
    return any(member.db_cluster_arn in values or member.resource_id in values for member in database.members)


@answers("rds", "ModifyGlobalCluster")
def modify(call: Call, moto: Moto) -> dict[str, Any]:
    advance(call.world)
    wanted, database = call.parameters, find_database(call.parameters["GlobalClusterIdentifier"])
    _refuse_in_progress(database)
    if "EngineVersion" in wanted:
        _upgrade(database, wanted)
    if "DeletionProtection" in wanted:
        database.deletion_protection = wanted["DeletionProtection"]
    if name := wanted.get("NewGlobalClusterIdentifier", "").lower():
        if name in databases():
            raise AwsError("GlobalClusterAlreadyExistsFault", f"Global cluster {name} already exists")
        del databases()[database.global_cluster_identifier]
        database.global_cluster_identifier = name
        databases()[name] = database
        for member in database.members:
            member.global_cluster_identifier = name
    return {"GlobalCluster": described(call.world, database)}


def _upgrade(database: GlobalCluster, wanted: dict[str, Any]) -> None:
    """Upgrade the engine of all members."""
    version, before = wanted["EngineVersion"], database.engine_version
    if version not in VERSIONS or VERSIONS.index(version) < VERSIONS.index(before):
        raise invalid(f"Cannot upgrade {database.engine} from {before} to {version}")
    if version.split(".")[0] != before.split(".")[0] and not wanted.get("AllowMajorVersionUpgrade"):
        raise combination("The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.")
    database.engine_version = version
    for member in database.members:
        member.engine_version = version


@answers("rds", "DeleteGlobalCluster")
def delete(call: Call, moto: Moto) -> dict[str, Any]:
    database = find_database(call.parameters["GlobalClusterIdentifier"])
    if database.deletion_protection:
        raise combination("Cannot delete protected Cluster, please disable deletion protection and try again.")
    if database.members:
        raise wrong_state(f"Global Cluster {database.global_cluster_arn} is not empty")
    del databases()[database.global_cluster_identifier]
    return {"GlobalCluster": described(call.world, database)}


@answers("rds", "RemoveFromGlobalCluster")
def remove(call: Call, moto: Moto) -> dict[str, Any]:
    """Detach a member, which becomes a standalone cluster. The primary is the last one that can be removed."""
    advance(call.world)
    database = find_database(call.parameters["GlobalClusterIdentifier"])
    identifier = call.parameters["DbClusterIdentifier"]
    member = _find_member(database, identifier)
    if member is None:
        # The provider knows this one by "is not found in global cluster".
        raise invalid(f"Cluster {identifier} is not found in global cluster {database.global_cluster_identifier}")
    _refuse_in_progress(database)
    if member.is_writer and len(database.members) > 1:
        text = f"{identifier} is the primary cluster: remove the secondary clusters of"
        raise wrong_state(f"{text} {database.global_cluster_identifier} first")
    if call.world.faults.unreachable(member.region):
        raise AwsError("InvalidDBClusterStateFault", f"{identifier} is not currently in the available state")
    global_databases.leave(database, member)
    return {"GlobalCluster": described(call.world, database)}


def _find_member(database: GlobalCluster, identifier: str) -> DBCluster | None:
    """Find a member by its ARN: another region's cluster cannot be located by its identifier."""
    return next((each for each in database.members if each.db_cluster_arn == identifier), None)


@answers("rds", "SwitchoverGlobalCluster")
def switch_over(call: Call, moto: Moto) -> dict[str, Any]:
    return _promote(call, data_loss=False)


@answers("rds", "FailoverGlobalCluster")
def fail_over(call: Call, moto: Moto) -> dict[str, Any]:
    """Fail over with AllowDataLoss; without it, this is a switchover."""
    if "AllowDataLoss" in call.parameters and "Switchover" in call.parameters:
        raise combination("AllowDataLoss and Switchover can't be specified together")
    return _promote(call, data_loss=bool(call.parameters.get("AllowDataLoss")))


def _promote(call: Call, data_loss: bool) -> dict[str, Any]:
    advance(call.world)
    database = find_database(call.parameters["GlobalClusterIdentifier"])
    target, source = _find_member(database, call.parameters["TargetDbClusterIdentifier"]), writer_of(database)
    if target is None:
        text = f"{call.parameters['TargetDbClusterIdentifier']} is not a member of {database.global_cluster_identifier}"
        raise AwsError("DBClusterNotFoundFault", f"{text}; name it by its ARN")
    if source is None or target is source:
        raise wrong_state(f"{target.db_cluster_arn} is the primary cluster; the target is a secondary one")
    _refuse_in_progress(database)
    if not data_loss and synchronization(call.world, database, target) != "connected":
        raise wrong_state(f"{target.db_cluster_arn} is not synchronized; specify AllowDataLoss to fail over")
    # The user guide calls a switchover in the region of the primary, and a failover in that of the target.
    place = target.region if data_loss else source.region
    if call.region != place:
        name = "Failover" if data_loss else "Switchover"
        raise wrong_state(f"{name}GlobalCluster has to be called in {place}; it was called in {call.region}")
    if not any(each.status == "available" for each in global_databases.instances(target)):
        text = "has no DB instance that is available; add one before a switchover or failover"
        raise AwsError("InvalidDBClusterStateFault", f"{target.db_cluster_arn} {text}")
    if not _same_engine(source, target):
        raise wrong_state(f"{target.db_cluster_arn} has {target.engine_version}, not {source.engine_version}")
    global_databases.promote(database, source, target, data_loss)
    return {"GlobalCluster": described(call.world, database)}


def _same_engine(one: DBCluster, other: DBCluster) -> bool:
    return one.engine_version.split(".")[:2] == other.engine_version.split(".")[:2]


def _refuse_in_progress(database: GlobalCluster) -> None:
    if promotion := promotion_of(database):
        raise wrong_state(f"{database.global_cluster_identifier} is {promotion.status}")


# Tags ------------------------------------------------------------------------------------------------------------


@answers("rds", "ListTagsForResource", "AddTagsToResource", "RemoveTagsFromResource")
def tag(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Tags of a global cluster, which moto does not find by its ARN: it names no region."""
    arn = call.parameters["ResourceName"]
    found = next((each for each in databases().values() if each.global_cluster_arn == arn), None)
    if found is None:
        return moto()
    if call.operation == "AddTagsToResource":
        found.add_tags(call.parameters["Tags"])
    if call.operation == "RemoveTagsFromResource":
        found.remove_tags(call.parameters["TagKeys"])
    return {"TagList": found.tags} if call.operation == "ListTagsForResource" else {}
