"""Traffic: the hosted zone, the certificate and the DNS record of each region."""

from __future__ import annotations

import pulumi

from components.tagging import tags_of
from components.traffic.certificate import Certificate, CertificateArgs
from components.traffic.hosted_zone import HostedZone, HostedZoneArgs
from components.traffic.route53_failover import Route53Failover, Route53FailoverArgs
from dr.topology.tiers import PRIMARY_DNS_WEIGHT
from dr.topology.topology import Role, Topology
from stacks.region import Region


def hosted_zone(topology: Topology) -> HostedZone:
    """Create the hosted zone of the domain, or use the configured one."""
    args = HostedZoneArgs(
        domain=topology.dns.domain,
        existing=topology.dns.zone_id,
        delegation_set=topology.dns.delegation_set,
        protect=topology.protect_data,
        tags=tags_of(topology),
    )
    return HostedZone("zone", args)


def region_certificate(topology: Topology, zone_id: pulumi.Input[str] | None = None) -> Certificate:
    """Create the region's certificate.

    Both regions' certificates have the same names. The stack that owns the hosted zone creates the validation records.
    """
    dns = topology.dns
    names = (dns.public_name, dns.regional_name(Role.PRIMARY), dns.regional_name(Role.RECOVERY))
    return Certificate("inference", CertificateArgs(names, topology.here.region, zone_id, tags_of(topology)))


def record(topology: Topology, here: Region, zone_id: pulumi.Input[str]) -> Route53Failover:
    """Create this region's weighted DNS record; the alarm of its lever notifies the recovery region's topic."""
    primary = topology.role is Role.PRIMARY
    return Route53Failover(
        str(topology.role),
        Route53FailoverArgs(
            role=topology.role,
            dns=topology.dns,
            endpoint=topology.here.endpoint or here.endpoint.dns_name,
            ready_path=topology.serving.ready_path,
            weight=PRIMARY_DNS_WEIGHT if primary else topology.tier.spec.dns_weight,
            lever_region=topology.recovery.region,
            lever_prefix=topology.bucket_prefix,
            zone_id=zone_id,
            alert_topic_arn=topology.alert_topic_arn(Role.RECOVERY) if primary else here.alerts.arn,
            tags=tags_of(topology),
        ),
    )
