"""Resource Groups Tagging API: tags of all types that this topology creates; moto leaves many out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.backup.models import backup_backends
from moto.core.resource_tagging import (
    TaggedResource,
    iter_taggable_backends,
    make_tag_matcher,
    match_resource_type,
)
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.route53.models import route53_backends

from sandbox.aws.account import ACCOUNT, DEFAULT_REGION, PARTITION
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.ec2_capacity import reservations
from sandbox.aws.extensions.eks import clusters


@answers("resourcegroupstaggingapi", "GetResources")
def get_resources(call: Call, moto: Moto) -> dict[str, Any]:
    """Find resources by tags and type, on one page. As on AWS, deleted NAT gateways and keys stay listed a while."""
    wanted = call.parameters
    matches = make_tag_matcher(wanted.get("TagFilters"))
    return {
        "PaginationToken": "",
        "ResourceTagMappingList": [
            {"ResourceARN": one.arn, "Tags": [{"Key": key, "Value": value} for key, value in one.tags.items()]}
            for one in _tagged(call.region)
            if one.tags and match_resource_type(one.resource_type, wanted.get("ResourceTypeFilters"))
            if matches(one.tags) and one.arn in wanted.get("ResourceARNList", (one.arn,))
        ],
    }


def _tagged(region: str) -> Iterator[TaggedResource]:
    for backend in iter_taggable_backends(ACCOUNT, region):
        if backend.SERVICE_NAMESPACE != "ec2":
            yield from backend.iter_tagged_resources()
    yield from _of_ec2(region)
    for name, cluster in clusters(region).items():
        yield TaggedResource(cluster.about["arn"], cluster.about["tags"], "eks:cluster")
        for id, identity in cluster.identities.items():
            arn = f"arn:aws:eks:{region}:{ACCOUNT}:podidentityassociation/{name}/{id}"
            yield TaggedResource(arn, identity["tags"], "eks:podidentityassociation")
    plans = backup_backends[ACCOUNT][region]
    for plan in plans.plans.values():
        tags = plans.tagger.get_tag_dict_for_resource(plan.backup_plan_arn)
        yield TaggedResource(plan.backup_plan_arn, tags, "backup:backup-plan")
    balancers = elbv2_backends[ACCOUNT][region]
    for balancer in balancers.load_balancers.values():
        for arn in balancer.listeners:
            tags = balancers.tagging_service.get_tag_dict_for_resource(arn)
            yield TaggedResource(arn, tags, "elasticloadbalancing:listener")
    if region == DEFAULT_REGION:
        yield from _of_route53()


def _of_ec2(region: str) -> Iterator[TaggedResource]:
    backend = ec2_backends[ACCOUNT][region]
    groups = [group for of_vpc in backend.groups.values() for group in of_vpc.values()]
    ids: dict[str, list[str]] = {
        "capacity-reservation": list(reservations(region)),
        "elastic-ip": [address.allocation_id for address in backend.addresses if address.allocation_id],
        "internet-gateway": list(backend.internet_gateways),
        "launch-template": list(backend.launch_templates),
        "natgateway": list(backend.nat_gateways),
        "route-table": list(backend.route_tables),
        "security-group": [group.id for group in groups],
        "security-group-rule": [rule.id for group in groups for rule in (*group.ingress_rules, *group.egress_rules)],
        "subnet": [subnet.id for of_zone in backend.subnets.values() for subnet in of_zone.values()],
        "vpc": list(backend.vpcs),
        "vpc-endpoint": list(backend.vpc_end_points),
        "vpc-flow-log": list(backend.flow_logs),
    }
    for kind, all_of_it in ids.items():
        for id in all_of_it:
            arn = f"arn:aws:ec2:{region}:{ACCOUNT}:{kind}/{id}"
            yield TaggedResource(arn, dict(backend.tags.get(id, {})), f"ec2:{kind}")


def _of_route53() -> Iterator[TaggedResource]:
    backend = route53_backends[ACCOUNT][PARTITION]
    for kind, all_of_it in (("hostedzone", backend.zones), ("healthcheck", backend.health_checks)):
        for id in all_of_it:
            short = id.rpartition("/")[2]
            tags = backend.list_tags_for_resource(short)
            yield TaggedResource(f"arn:aws:route53:::{kind}/{short}", dict(tags), f"route53:{kind}")
