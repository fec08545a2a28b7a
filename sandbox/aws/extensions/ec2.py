"""EC2: dependencies of subnets and addresses, addresses of NAT gateways, and delivery of flow logs."""

from __future__ import annotations

import inspect
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.logs.models import logs_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

# moto reports no owner of a rule, and no description where its peer is a group or a prefix list.
SecurityGroupRule.group_owner_id = ACCOUNT  # type: ignore[attr-defined]
SecurityGroupRule.description = property(  # type: ignore[assignment, method-assign]
    lambda rule: next(
        (
            peer["Description"]
            for peer in (rule.ip_range, rule.source_group, rule.prefix_list)
            if "Description" in (peer or {})
        ),
        None,
    )
)
_moto_rule = SecurityGroupRule.__init__


def _rule(self: SecurityGroupRule, *arguments: Any, **options: Any) -> None:
    """Keep the prefix list as a whole; moto keeps its ID only."""
    bound = inspect.signature(_moto_rule).bind(self, *arguments, **options)
    vars(self)["prefix_list"] = bound.arguments.get("prefix_list_id")
    _moto_rule(self, *arguments, **options)


SecurityGroupRule.__init__ = _rule  # type: ignore[method-assign]

GONE = ("deleted", "deleting", "failed", "terminated")


@answers("ec2", "DeleteSubnet")
def delete_subnet(call: Call, moto: Moto) -> Answer:
    """Refuse to delete a subnet with a NAT gateway, an endpoint or an instance; moto deletes it."""
    backend, subnet = ec2_backends[ACCOUNT][call.region], call.parameters["SubnetId"]
    held = any(nat.subnet_id == subnet and nat.state not in GONE for nat in backend.nat_gateways.values())
    held |= any(
        subnet in (endpoint.subnet_ids or ()) and endpoint.state not in GONE
        for endpoint in backend.vpc_end_points.values()
    )
    held |= any(one.subnet_id == subnet and one.state not in GONE for one in backend.all_instances())
    if held:
        message = f"The subnet '{subnet}' has dependencies and cannot be deleted."
        raise AwsError("DependencyViolation", message)
    return moto()


@answers("ec2", "DeleteNatGateway")
def delete_nat_gateway(call: Call, moto: Moto) -> Answer:
    """Release addresses and the network interface too; moto keeps both, and fails on an unknown NAT gateway."""
    backend, wanted = ec2_backends[ACCOUNT][call.region], call.parameters["NatGatewayId"]
    if wanted not in backend.nat_gateways:
        # The code is that of EC2's API reference, "Error codes".
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {wanted} was not found")
    answer = moto()
    nat = backend.nat_gateways.get(wanted)
    if answer.status < 300 and nat:
        interface = nat._eni
        for address in backend.addresses:
            if address.eni is interface:
                backend.disassociate_address(address=address.public_ip)
        backend.enis.pop(interface.id, None)
    return answer


@answers("ec2", "ReleaseAddress")
def release_address(call: Call, moto: Moto) -> Answer:
    """Refuse to release an address in use; moto releases it."""
    wanted = call.parameters.get("AllocationId")
    for address in ec2_backends[ACCOUNT][call.region].addresses:
        if wanted and address.allocation_id == wanted and address.association_id:
            raise AwsError("InvalidIPAddress.InUse", f"The address {address.public_ip} is in use.")
    return moto()


@answers("ec2", "ModifyVpcEndpoint")
def modify_vpc_endpoint(call: Call, moto: Moto) -> Answer:
    """Change private DNS and the routes of a gateway endpoint too; moto ignores both."""
    answer = moto()
    # moto's annotations demand a CIDR block even of a route to a prefix list.
    backend: Any = ec2_backends[ACCOUNT][call.region]
    parameters = call.parameters
    endpoint = backend.vpc_end_points.get(parameters["VpcEndpointId"])
    if answer.status >= 300 or endpoint is None:
        return answer
    if "PrivateDnsEnabled" in parameters:
        endpoint.private_dns_enabled = parameters["PrivateDnsEnabled"]
    prefixes = endpoint.destination_prefix_list_id
    for table in parameters.get("AddRouteTableIds", ()):
        backend.create_route(table, None, destination_prefix_list_id=prefixes, gateway_id=endpoint.id)
    for table in parameters.get("RemoveRouteTableIds", ()):
        backend.delete_route(table, None, destination_prefix_list_id=prefixes)
    return answer


@answers("ec2", "DescribeFlowLogs")
def describe_flow_logs(call: Call, moto: Moto) -> Answer:
    """Report success while the log group of the ARN exists; moto finds groups by name only."""
    groups: dict[str, Any] = logs_backends[ACCOUNT][call.region].groups
    for log in ec2_backends[ACCOUNT][call.region].flow_logs.values():
        if log.log_destination_type == "cloud-watch-logs" and log.log_destination:
            there = log.log_destination.partition(":log-group:")[2] in groups
            log.deliver_logs_status = "SUCCESS" if there else "FAILED"
            log.deliver_logs_error_message = None if there else "Access error"
    return moto()
