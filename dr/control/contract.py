"""The contract: what each stack made, in one document that `dr` can read without Pulumi or its state.

Each stack writes its half to the control bucket of its own region, as `contract/<role>.json`; replication carries it to
the other. So either region holds both halves, and an operator needs nothing of the region that is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dr.errors import Invalid, Problem
from dr.topology.serving import NAMESPACE, SERVICE
from dr.topology.tiers import Tier
from dr.topology.topology import Role, Topology

VERSION = 1
"""Raised when a reader of the version before would misread the document."""


def key_of(role: Role) -> str:
    """Where a role's half is, in the control bucket of either region."""
    return f"contract/{role}.json"


@dataclass(frozen=True)
class BucketRecord:
    """Both sides of a bucket pair: bucket names."""

    primary: str
    recovery: str


@dataclass(frozen=True)
class DnsRecord:
    """One region's way into the zone.

    Args:
        zone_id: The hosted zone.
        public_name: The name clients use.
        regional_name: The name of this region alone.
        endpoint: What both names answer with.
        weight: Weight of this region's record under the public name.
        check_id: The record's health check: endpoint healthy and lever open.
        endpoint_check_id: The check that probes the endpoint.
        lever: The lever that opens or closes the record: "engage" or "admit".
        lever_check_id: The check that reads the lever's alarm.
        lever_alarm: That alarm's name, in the recovery region.
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
    """A region's cluster, and what serves in it.

    Args:
        name: The cluster's name: whom tokens are for.
        endpoint: Its API.
        ca_data: PEM of its certificate authority, in base64.
        namespace: Where inference is.
        deployment: What keeps its replicas, and the name of what scales them.
    """

    name: str
    endpoint: str
    ca_data: str
    namespace: str = NAMESPACE
    deployment: str = SERVICE


@dataclass(frozen=True)
class Half:
    """What one stack made.

    Args:
        role: Whose half it is.
        region: Where it is.
        account: The AWS account's twelve digits.
        stack: The Pulumi stack that wrote it.
        dns: This region's record.
        buckets: Bucket pairs by name; the primary's half has them, since it owns both sides.
        tier: The tier that is deployed; the recovery half has it.
        network: The VPC it is in: the block of one that was made, or the id of one that was named.
        cluster: The cluster, where one runs.
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
    version: int = VERSION

    @property
    def serves(self) -> bool:
        """Whether inference runs in this region in normal operation."""
        return self.role is Role.PRIMARY or bool(self.tier and self.tier.spec.serves)

    def to_dict(self) -> dict[str, Any]:
        """The half as JSON values."""
        document = asdict(self)
        document["tier"] = self.tier.value if self.tier else None
        return document


def document(
    topology: Topology, stack: str, dns: Mapping[str, Any], cluster: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A stack's half as JSON values.

    Args:
        topology: What was deployed.
        stack: The stack's name.
        dns: The fields of `DnsRecord`, known once the records exist.
        cluster: Name, endpoint and certificate of the cluster, known once it exists; None where none runs.
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
    ).to_dict()


def parse(text: str | bytes, source: str) -> Half:
    """A half from its JSON.

    Args:
        text: The document.
        source: Where it was read, for messages.

    Raises:
        Invalid: it is not a contract, or of a version this program does not know.
    """
    try:
        values = json.loads(text)
        version = values["version"]
        if version > VERSION:
            raise Invalid(
                Problem(
                    source,
                    f"the contract is of version {version}, written by a newer program; this one reads {VERSION}",
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
            version=version,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            Problem(
                source,
                f"this is no contract: {type(error).__name__}: {error}",
                "`pulumi up` of the stack that owns it writes it again; older versions are in the bucket",
            )
        ) from error
