"""Aurora: global clusters, clusters, their instances, and subnet groups.

After internal/service/rds/{global_cluster,cluster,cluster_instance,subnet_group}.go of the provider that the real
plugin wraps (terraform-provider-aws). Creations and updates wait until what they made is available. The plugin's waits
of 10 to 30 s before its first look are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.check import between, matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType, Tags
from sandbox.aws_plugin.plugin import SandboxError

IDENTIFIER = r"(?!.*--)[a-z][a-z0-9-]*(?<!-)"
MEANING = "lower-case letters, digits and single dashes, the first a letter, the last no dash"
AURORA = ("aurora-mysql", "aurora-postgresql")
WAIT_SECONDS, POLL_SECONDS = 300.0, 0.2
REMOVED = "is not found in global cluster"
"""Error of RDS for a cluster that does not belong to a global database; the provider ignores it."""


def tags_of(output: str = "arn") -> Tags:
    """Tags of a resource that has its ARN in this output."""
    operations = ("list_tags_for_resource", "add_tags_to_resource", "remove_tags_from_resource")
    return tagged("ResourceName", output, operations, answer="TagList")


def _wait(what: str, status: Callable[[], str]) -> None:
    """Wait until something is available."""
    end = time.monotonic() + WAIT_SECONDS
    while (found := status()) != "available":
        if time.monotonic() > end:
            raise SandboxError(f"{what} is {found} after {WAIT_SECONDS:.0f} s, and not available")
        time.sleep(POLL_SECONDS)


# Global clusters -------------------------------------------------------------------------------------------------


def _found_global(world: Resource) -> dict[str, Any]:
    return dict(world.send("describe_global_clusters", GlobalClusterIdentifier=world.id)["GlobalClusters"][0])


def _create_global(world: Resource) -> None:
    arguments = world.arguments("create_global_cluster")
    world.id = world.send("create_global_cluster", **arguments)["GlobalCluster"]["GlobalClusterIdentifier"]
    _wait(world.id, lambda: str(_found_global(world)["Status"]))


def _modify_global(world: Resource) -> None:
    """Change protection, and by its version, the engine of all members."""
    wanted: dict[str, Any] = {"DeletionProtection": world.wanted["deletionProtection"]}
    if "engineVersion" in (world.changed or ()):
        version, before = world.wanted["engineVersion"], world.state["engineVersion"]
        major = version.split(".")[0] != before.split(".")[0]
        wanted |= {"EngineVersion": version, **({"AllowMajorVersionUpgrade": True} if major else {})}
    world.send("modify_global_cluster", GlobalClusterIdentifier=world.id, **wanted)


GLOBAL = ResourceType(
    token="aws:rds/globalCluster:GlobalCluster",
    service="rds",
    shape="CreateGlobalClusterMessage",
    properties="""globalClusterIdentifier! engine engineVersion databaseName storageEncrypted deletionProtection
                  sourceDbClusterIdentifier=SourceDBClusterIdentifier forceDestroy:boolean""",
    outputs="""arn=GlobalClusterArn:string endpoint=Endpoint:string
               globalClusterResourceId=GlobalClusterResourceId:string
               globalClusterMembers=GlobalClusterMembers:list{dbClusterArn=DBClusterArn:string
                   isWriter=IsWriter:boolean}""",
    identity="{GlobalClusterIdentifier}",
    defaults={"deletionProtection": False},
    computed=frozenset({"engine", "engineVersion", "databaseName", "storageEncrypted", "sourceDbClusterIdentifier"}),
    replace_on=frozenset(
        {"globalClusterIdentifier", "databaseName", "engine", "sourceDbClusterIdentifier", "storageEncrypted"}
    ),
    exclusive=(("engine", "sourceDbClusterIdentifier"),),
    needs={"sourceDbClusterIdentifier": ("forceDestroy",)},
    checks=(matches("globalClusterIdentifier", IDENTIFIER, MEANING),),
    create=_create_global,
    read=_found_global,
    update=(("deletionProtection engineVersion", _modify_global),),
    delete=Call("delete_global_cluster", retries=("is not empty",)),
    tags=tags_of(),
)


# Clusters --------------------------------------------------------------------------------------------------------


def _found_cluster(cluster: Resource) -> dict[str, Any]:
    return dict(cluster.send("describe_db_clusters", DBClusterIdentifier=cluster.id)["DBClusters"][0])


def _create_cluster(cluster: Resource) -> None:
    arguments = cluster.arguments("create_db_cluster")
    cluster.id = cluster.send("create_db_cluster", **arguments)["DBCluster"]["DBClusterIdentifier"]
    _wait(cluster.id, lambda: str(_found_cluster(cluster)["Status"]))


def _read_cluster(cluster: Resource) -> dict[str, Any]:
    """Read a cluster. Its global cluster is found by its ARN; where none is found, the property is empty."""
    found = _found_cluster(cluster)
    filters = [{"Name": "db-cluster-id", "Values": [found["DBClusterArn"]]}]
    worlds = cluster.optional("describe_global_clusters", Filters=filters).get("GlobalClusters", [])
    member: dict[str, Any] = next((each for each in worlds if _has(each, found["DBClusterArn"])), {})
    return {
        **found,
        "GlobalClusterIdentifier": member.get("GlobalClusterIdentifier"),
        "DBSubnetGroupName": found.get("DBSubnetGroup"),
        "VpcSecurityGroupIds": [each["VpcSecurityGroupId"] for each in found.get("VpcSecurityGroups", ())],
        "EnableIAMDatabaseAuthentication": found.get("IAMDatabaseAuthenticationEnabled"),
        # RDS does not return the password.
        "MasterUserPassword": cluster["masterPassword"],
    }


def _has(world: dict[str, Any], arn: str) -> bool:
    return any(each["DBClusterArn"] == arn for each in world["GlobalClusterMembers"])


def _modify_cluster(cluster: Resource) -> None:
    taken = {
        "engineVersion": "EngineVersion",
        "masterPassword": "MasterUserPassword",
        "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication",
        "vpcSecurityGroupIds": "VpcSecurityGroupIds",
        "backupRetentionPeriod": "BackupRetentionPeriod",
        "copyTagsToSnapshot": "CopyTagsToSnapshot",
        "deletionProtection": "DeletionProtection",
    }
    given = {member: cluster.wanted.get(name) for name, member in taken.items() if name in (cluster.changed or ())}
    immediately = bool(cluster.wanted.get("applyImmediately"))
    cluster.send("modify_db_cluster", DBClusterIdentifier=cluster.id, ApplyImmediately=immediately, **given)
    _wait(cluster.id, lambda: str(_found_cluster(cluster)["Status"]))


def _change_global(cluster: Resource) -> None:
    """Detach a cluster if the identifier is removed from its inputs. The provider refuses other changes of it."""
    before, wanted = cluster.state.get("globalClusterIdentifier"), cluster.wanted.get("globalClusterIdentifier")
    if not before:
        raise SandboxError("existing RDS Clusters cannot be added to an existing RDS Global Cluster")
    if wanted:
        raise SandboxError("existing RDS Clusters cannot be migrated between existing RDS Global Clusters")
    _detach(cluster, str(before))


def _change_source(cluster: Resource) -> None:
    """Promote a replica if the source is removed from its inputs."""
    if cluster.wanted.get("replicationSourceIdentifier"):
        raise SandboxError("promoting a replica is the only change of replication_source_identifier")
    cluster.send("promote_read_replica_db_cluster", DBClusterIdentifier=cluster.id)


def _detach(cluster: Resource, world: str) -> None:
    try:
        cluster.send(
            "remove_from_global_cluster", GlobalClusterIdentifier=world, DbClusterIdentifier=cluster.state["arn"]
        )
    except Refused as error:
        if error.code != "GlobalClusterNotFoundFault" and REMOVED not in error.message:
            raise


def _delete_cluster(cluster: Resource) -> None:
    if world := cluster.state.get("globalClusterIdentifier"):
        _detach(cluster, str(world))
    final: dict[str, Any] = {"SkipFinalSnapshot": True}
    if not cluster.state.get("skipFinalSnapshot"):
        if not cluster.state.get("finalSnapshotIdentifier"):
            raise SandboxError("final_snapshot_identifier is required when skip_final_snapshot is false")
        final = {"FinalDBSnapshotIdentifier": cluster.state["finalSnapshotIdentifier"]}
    cluster.send("delete_db_cluster", DBClusterIdentifier=cluster.id, **final)


CLUSTER = ResourceType(
    token="aws:rds/cluster:Cluster",
    service="rds",
    shape="CreateDBClusterMessage",
    properties="""clusterIdentifier=DBClusterIdentifier! globalClusterIdentifier engine! engineVersion databaseName
                  masterUsername masterPassword=MasterUserPassword replicationSourceIdentifier
                  iamDatabaseAuthenticationEnabled=EnableIAMDatabaseAuthentication dbSubnetGroupName
                  vpcSecurityGroupIds:set storageEncrypted kmsKeyId backupRetentionPeriod copyTagsToSnapshot
                  deletionProtection skipFinalSnapshot:boolean finalSnapshotIdentifier:string
                  applyImmediately:boolean""",
    outputs="""arn=DBClusterArn:string endpoint=Endpoint:string readerEndpoint=ReaderEndpoint:string
               clusterResourceId=DbClusterResourceId:string port=Port:integer hostedZoneId=HostedZoneId:string""",
    identity="{DBClusterIdentifier}",
    defaults={"copyTagsToSnapshot": False, "skipFinalSnapshot": False},
    computed=frozenset(
        {
            *("engineVersion", "databaseName", "masterUsername", "dbSubnetGroupName", "vpcSecurityGroupIds"),
            *("kmsKeyId", "storageEncrypted", "backupRetentionPeriod"),
        }
    ),
    replace_on=frozenset(
        {
            *("clusterIdentifier", "databaseName", "dbSubnetGroupName", "engine", "kmsKeyId", "masterUsername"),
            "storageEncrypted",
        }
    ),
    allowed={"engine": (*AURORA, "mysql", "postgres")},
    checks=(
        matches("clusterIdentifier", IDENTIFIER, MEANING),
        matches("finalSnapshotIdentifier", r"(?!.*--)[A-Za-z0-9-]+(?<!-)", "letters, digits and single dashes"),
        between("backupRetentionPeriod", 0, 35),
    ),
    create=_create_cluster,
    read=_read_cluster,
    update=(
        (
            "engineVersion masterPassword iamDatabaseAuthenticationEnabled vpcSecurityGroupIds backupRetentionPeriod "
            "copyTagsToSnapshot deletionProtection",
            _modify_cluster,
        ),
        ("globalClusterIdentifier", _change_global),
        ("replicationSourceIdentifier", _change_source),
    ),
    delete=_delete_cluster,
    tags=tags_of(),
    retries=("DBSubnetGroupNotFoundFault", "KMSKeyNotAccessibleFault"),
)


# Instances -------------------------------------------------------------------------------------------------------


def _found_instance(instance: Resource) -> dict[str, Any]:
    return dict(instance.send("describe_db_instances", DBInstanceIdentifier=instance.id)["DBInstances"][0])


def _create_instance(instance: Resource) -> None:
    arguments = instance.arguments("create_db_instance")
    instance.id = instance.send("create_db_instance", **arguments)["DBInstance"]["DBInstanceIdentifier"]
    _wait(instance.id, lambda: str(_found_instance(instance)["DBInstanceStatus"]))


def _read_instance(instance: Resource) -> dict[str, Any]:
    found = _found_instance(instance)
    cluster = instance.send("describe_db_clusters", DBClusterIdentifier=found["DBClusterIdentifier"])["DBClusters"][0]
    role = next(each for each in cluster["DBClusterMembers"] if each["DBInstanceIdentifier"] == instance.id)
    return {**found, "Writer": role["IsClusterWriter"], "Address": found.get("Endpoint", {}).get("Address")}


def _modify_instance(instance: Resource) -> None:
    taken = {
        "instanceClass": "DBInstanceClass",
        "publiclyAccessible": "PubliclyAccessible",
        "autoMinorVersionUpgrade": "AutoMinorVersionUpgrade",
        "promotionTier": "PromotionTier",
        "copyTagsToSnapshot": "CopyTagsToSnapshot",
    }
    given = {member: instance.wanted.get(name) for name, member in taken.items() if name in (instance.changed or ())}
    immediately = bool(instance.wanted.get("applyImmediately"))
    instance.send("modify_db_instance", DBInstanceIdentifier=instance.id, ApplyImmediately=immediately, **given)
    _wait(instance.id, lambda: str(_found_instance(instance)["DBInstanceStatus"]))


INSTANCE = ResourceType(
    token="aws:rds/clusterInstance:ClusterInstance",
    service="rds",
    shape="CreateDBInstanceMessage",
    properties="""identifier=DBInstanceIdentifier clusterIdentifier=DBClusterIdentifier! engine!
                  instanceClass=DBInstanceClass! publiclyAccessible autoMinorVersionUpgrade promotionTier
                  copyTagsToSnapshot applyImmediately:boolean forceDestroy:boolean""",
    outputs="""arn=DBInstanceArn:string dbiResourceId=DbiResourceId:string endpoint=Address:string
               writer=Writer:boolean""",
    identity="{DBInstanceIdentifier}",
    defaults={
        "autoMinorVersionUpgrade": True,
        "copyTagsToSnapshot": False,
        "forceDestroy": False,
        "promotionTier": 0,
    },
    computed=frozenset({"identifier", "publiclyAccessible"}),
    replace_on=frozenset({"clusterIdentifier", "engine", "identifier"}),
    allowed={"engine": (*AURORA, "mysql", "postgres")},
    checks=(matches("identifier", IDENTIFIER, MEANING),),
    create=_create_instance,
    read=_read_instance,
    update=(
        (
            "instanceClass publiclyAccessible autoMinorVersionUpgrade promotionTier copyTagsToSnapshot",
            _modify_instance,
        ),
    ),
    delete=Call("delete_db_instance"),
    tags=tags_of(),
)


# Subnet groups ---------------------------------------------------------------------------------------------------


def _read_subnets(group: Resource) -> dict[str, Any]:
    found = group.send("describe_db_subnet_groups", DBSubnetGroupName=group.id)["DBSubnetGroups"][0]
    return {**found, "SubnetIds": [each["SubnetIdentifier"] for each in found["Subnets"]]}


SUBNETS = ResourceType(
    token="aws:rds/subnetGroup:SubnetGroup",
    service="rds",
    shape="CreateDBSubnetGroupMessage",
    properties="name=DBSubnetGroupName description=DBSubnetGroupDescription subnetIds:set!",
    outputs="arn=DBSubnetGroupArn:string vpcId=VpcId:string",
    identity="{DBSubnetGroupName}",
    auto_name=AutoName("name", 255),
    defaults={"description": "Managed by Pulumi"},
    replace_on=frozenset({"name"}),
    checks=(
        matches("name", r"(?!default$)[a-z0-9_. -]{1,255}", "lower-case letters, digits and - _ . space; not default"),
    ),
    create=Call("create_db_subnet_group"),
    read=_read_subnets,
    update=(("subnetIds description", Call("modify_db_subnet_group")),),
    delete=Call("delete_db_subnet_group"),
    tags=tags_of(),
)

TYPES = (GLOBAL, CLUSTER, INSTANCE, SUBNETS)
