"""HostedZone: the Route 53 hosted zone of both regions' names, new or existing. Costs $0.50 a month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import route53


@dataclass(frozen=True)
class HostedZoneArgs:
    """Arguments of `HostedZone`.

    Args:
        domain: The zone's name, without a trailing dot.
        existing: ID of an existing zone to use; None creates a zone.
        delegation_set: ID of the reusable delegation set of a new zone; None lets Route 53 choose name servers.
        protect: Protect a new zone from deletion: clients resolve the names of both regions in it.
        tags: Tags of a new zone.
    """

    domain: str
    existing: str | None = None
    delegation_set: str | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class HostedZone(pulumi.ComponentResource):
    """A hosted zone, unless an existing one is used.

    Attributes:
        zone_id: ID of the hosted zone.
        name_servers: Name servers of a new zone, to which the parent zone must delegate; empty for an existing zone.
    """

    zone_id: pulumi.Output[str]
    name_servers: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: HostedZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:traffic:HostedZone", name, None, opts)
        self.zone_id = pulumi.Output.from_input(args.existing or "")
        self.name_servers = pulumi.Output.from_input([])
        if args.existing is None:
            zone = route53.Zone(
                name,
                name=args.domain,
                comment="inference endpoints of two regions",
                delegation_set_id=args.delegation_set,
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(
                    parent=self,
                    protect=args.protect,
                    retain_on_delete=args.protect,
                    # A change would replace the zone, and its name servers with it.
                    ignore_changes=["delegationSetId"],
                ),
            )
            self.zone_id, self.name_servers = zone.zone_id, zone.name_servers
        self.register_outputs({"zone_id": self.zone_id, "name_servers": self.name_servers})
