"""HostedZone: the zone both regions have their names in, made here or named. Costs $0.50 a month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import route53


@dataclass(frozen=True)
class HostedZoneArgs:
    """Arguments of `HostedZone`.

    Args:
        domain: The zone's name, without a final dot.
        existing: Id of a zone to use; None makes one.
        protect: Guard a zone that is made here against deletion: clients of both regions find the service by it.
        tags: Tags of a zone that is made here.
    """

    domain: str
    existing: str | None = None
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class HostedZone(pulumi.ComponentResource):
    """A zone.

    Attributes:
        zone_id: The hosted zone.
        name_servers: Of a zone that was made here: what the parent zone has to delegate to. Empty otherwise.
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
                comment="inference over two regions",
                tags=dict(args.tags),
                opts=pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect),
            )
            self.zone_id, self.name_servers = zone.zone_id, zone.name_servers
        self.register_outputs({"zone_id": self.zone_id, "name_servers": self.name_servers})
