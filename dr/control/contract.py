"""The contract: what each stack deployed, in a document that `dr` reads without Pulumi or its state.

Each stack writes its half to the control bucket of its own region, as `contract/<role>.json`. Replication copies it to
the other region. So each region holds both halves, and an operator needs nothing from a lost region.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from dr.errors import Invalid, Problem
from dr.topology.serving import NAMESPACE, SERVICE
from dr.topology.tiers import Tier
from dr.topology.topology import Role, Topology

VERSION = 1
"""Version of the document; increased when a reader of the previous version would misread it."""


def key_of(role: Role) -> str:
    """Return the key of a role's half, the same in the control buckets of both regions."""
    return f"contract/{role}.json"


@dataclass(frozen=True)
class BucketRecord:
    """Bucket names of a pair."""

    primary: str
    recovery: str


@dataclass(frozen=True)
class DnsRecord:
    """A region's DNS records and health checks.

    Args:
        zone_id: ID of the hosted zone.
        public_name: Name that clients use.
        regional_name: Name of this region only.
        endpoint: Host name that both names resolve to.
        weight: Weight of this region's record of the public name.
        check_id: ID of the record's health check: endpoint healthy and lever open.
        endpoint_check_id: ID of the endpoint's health check.
        lever: The lever that opens or closes the record: "engage" or "admit".
        lever_check_id: ID of the health check on the lever's alarm.
        lever_alarm: Name of that alarm, in the recovery region.
    """

    zone_id: str
    public_name: str
    regional_name: str
    endpoint: str
    weight: int
    check_id: str
    endpoint_check_id: str
    lever: str
    lever_check_id: str
    lever_alarm: str


@dataclass(frozen=True)
class ClusterRecord:
    """A region's cluster and its inference workload.

    Args:
        name: The cluster's name, for which tokens are issued.
        endpoint: URL of its API endpoint.
        ca_data: Its CA certificate, PEM in base64.
        namespace: Namespace of inference.
        deployment: Name of inference's Deployment and autoscaler.
    """

    name: str
    endpoint: str
    ca_data: str
    namespace: str = NAMESPACE
    deployment: str = SERVICE


@dataclass(frozen=True)
class BackupRecord:
    """How a class of data is backed up, and its objective.

    Args:
        every_hours: Interval between backups in hours.
        retention_days: Days for which recovery points and their copies are kept.
        rpo_hours: Objective of the age of the newest copy in the other region, in hours.
        archive_days: Days for which a month's first backup is kept in cold storage; None: none is.
    """

    every_hours: int
    retention_days: int
    rpo_hours: float
    archive_days: int | None = None


@dataclass(frozen=True)
class DatabaseRecord:
    """A region's part of the global database.

    Args:
        global_cluster: Identifier of the global database.
        cluster: Identifier of the region's cluster; "" in a tier without a replica.
        arn: ARN of that cluster; "" without one.
        engine_version: Version of Aurora PostgreSQL.
        instance_class: Class of its instances, and of the one that an operation creates in a headless cluster.
        instances: Identifiers of the instances that the stack creates; none in a headless cluster.
        subnet_group: Name of the region's DB subnet group.
        security_groups: IDs of the security groups of the cluster.
        key: ARN of the region's KMS key.
        port: Port of the endpoint.
        endpoint: Writer endpoint of the region's cluster, inactive while it is a secondary one; "" without a cluster.
        reader_endpoint: Endpoint of its readers.
        writer_endpoint: Endpoint that leads to the primary cluster, whichever region has it; only in the primary half.
        secret: Name of the secret with the master user's login, the same in both regions.
        secret_arn: ARN of the secret; only in the primary half.
        export_role: ARN of the role of snapshot exports; only in the primary half.
    """

    global_cluster: str
    cluster: str
    arn: str
    engine_version: str
    instance_class: str
    instances: tuple[str, ...] = ()
    subnet_group: str = ""
    security_groups: tuple[str, ...] = ()
    key: str = ""
    port: int = 5432
    endpoint: str = ""
    reader_endpoint: str = ""
    writer_endpoint: str = ""
    secret: str = ""
    secret_arn: str = ""
    export_role: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> DatabaseRecord:
        """Return the record of its JSON values, which have lists for tuples."""
        fields: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in values.items()
        }
        return cls(**fields)


@dataclass(frozen=True)
class Half:
    """One stack's half of the contract.

    Args:
        role: Role of the stack's region.
        region: The region.
        account: The AWS account's twelve digits.
        stack: Name of the Pulumi stack that wrote it.
        dns: DNS records of the region.
        buckets: Bucket pairs by name; only in the primary half, because its stack owns both buckets.
        tier: The deployed tier; only in the recovery half.
        configured: `dr:tier`; only in the recovery half. A deployment during an incident may be of a higher tier.
        network: CIDR block of a new VPC, or ID of an existing one.
        cluster: The cluster; None if none runs.
        backups: Backups of the region by class of data.
        database: The region's part of the global database; None if `dr:database` is none.
        version: Version of the document.
    """

    role: Role
    region: str
    account: str
    stack: str
    dns: DnsRecord
    buckets: Mapping[str, BucketRecord] = field(default_factory=dict)
    tier: Tier | None = None
    network: str = ""
    cluster: ClusterRecord | None = None
    configured: Tier | None = None
    backups: Mapping[str, BackupRecord] = field(default_factory=dict)
    database: DatabaseRecord | None = None
    version: int = VERSION

    @property
    def serves(self) -> bool:
        """Whether inference runs in this region in normal operation."""
        return self.role is Role.PRIMARY or bool(self.tier and self.tier.spec.serves)

    def to_dict(self) -> dict[str, Any]:
        """Return the half as JSON values."""
        document = asdict(self)
        for name in ("tier", "configured"):
            tier = document[name]
            document[name] = tier.value if tier else None
        return document


def document(
    topology: Topology,
    stack: str,
    dns: Mapping[str, Any],
    cluster: Mapping[str, str] | None = None,
    database: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a stack's half as JSON values.

    Args:
        topology: The deployed topology.
        stack: The stack's name.
        dns: Fields of `DnsRecord`, once the records exist.
        cluster: Name, endpoint and CA certificate of the cluster, once it exists; None if none runs.
        database: Fields of `DatabaseRecord`, once the cluster exists; None without a database.
    """
    buckets = {
        pair.name: BucketRecord(topology.bucket(pair, Role.PRIMARY), topology.bucket(pair, Role.RECOVERY))
        for pair in topology.pairs
    }
    is_primary = topology.role is Role.PRIMARY
    return Half(
        role=topology.role,
        region=topology.here.region,
        account=topology.account,
        stack=stack,
        dns=DnsRecord(**dns),
        buckets=buckets if is_primary else {},
        tier=None if is_primary else topology.running_tier,
        network=topology.network_here,
        cluster=ClusterRecord(**cluster) if cluster else None,
        configured=None if is_primary else topology.tier,
        backups={
            str(each.data): BackupRecord(
                each.every_hours, each.retention_days, each.rpo / timedelta(hours=1), each.archive_days
            )
            for each in topology.backups
        },
        database=DatabaseRecord.of(database) if database else None,
    ).to_dict()


def parse(text: str | bytes, source: str) -> Half:
    """Return a half from its JSON.

    Args:
        text: The document.
        source: URL of the document, for messages.

    Raises:
        Invalid: The text is not a contract, or has a newer version.
    """
    try:
        values = json.loads(text)
        version = values["version"]
        if version > VERSION:
            raise Invalid(
                Problem(
                    source,
                    f"the contract has version {version}, written by a newer program; this one reads {VERSION}",
                    "update this checkout to the one that deployed last (`git pull`), then run the command again",
                )
            )
        return Half(
            role=Role(values["role"]),
            region=values["region"],
            account=values["account"],
            stack=values["stack"],
            dns=DnsRecord(**values["dns"]),
            buckets={name: BucketRecord(**sides) for name, sides in values["buckets"].items()},
            tier=Tier(values["tier"]) if values["tier"] else None,
            network=values.get("network", ""),
            cluster=ClusterRecord(**cluster) if (cluster := values.get("cluster")) else None,
            configured=Tier(configured) if (configured := values.get("configured")) else None,
            backups={name: BackupRecord(**each) for name, each in values.get("backups", {}).items()},
            database=DatabaseRecord.of(database) if (database := values.get("database")) else None,
            version=version,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            Problem(
                source,
                f"not a valid contract: {type(error).__name__}: {error}",
                "run `pulumi up` of the stack that owns it, which writes it again; the bucket keeps older versions",
            )
        ) from error
