"""Addresses from which a load balancer is called, and whether its security groups admit them.

Simplified: a security group that does not admit an address refuses its connections at once; AWS drops the packets.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models import ec2_backends

from sandbox.aws.account import ACCOUNT

CLIENT = "203.0.113.10"
"""Address of clients and operators on this machine (RFC 5737, TEST-NET-3)."""
FUNCTION = "198.51.100.20"
"""Address of Lambda functions outside a VPC, which on AWS changes at any time (RFC 5737, TEST-NET-2)."""
POD = "198.51.100.30"
"""Address of the NAT gateway through which pods call (RFC 5737, TEST-NET-2)."""
CHECKERS = ("54.232.40.64/26", "54.241.32.64/26", "54.244.52.192/26", "54.245.168.0/26", "54.248.220.0/26")
"""Some of the ranges of Route 53's health checkers (AWS's ip-ranges.json, `ROUTE53_HEALTHCHECKS`)."""
CHECKER = str(next(IPv4Network(CHECKERS[0]).hosts()))
FUNCTION_USER, POD_USER = "function", "pod-"
"""User names with which functions and pods sign in to the emulator's proxy, which identifies their connections; a pod's
continues with its UID."""


def source_of(environ: Mapping[str, Any]) -> str:
    """Return the address from which a request to the emulator's proxy comes."""
    if _user(environ) == FUNCTION_USER:
        return FUNCTION
    return POD if pod_of(environ) else CLIENT


def pod_of(environ: Mapping[str, Any]) -> str:
    """Return the UID of the pod from which a request to the emulator's proxy comes; "" for other clients."""
    user = _user(environ)
    return user.removeprefix(POD_USER) if user.startswith(POD_USER) else ""


def proxy_of_pod(endpoint: str, uid: str) -> str:
    """Return the URL of the emulator's proxy for a pod. botocore signs in only with a password, too."""
    return endpoint.replace("://", f"://{POD_USER}{uid}:sandbox@")


def _user(environ: Mapping[str, Any]) -> str:
    scheme, _, text = str(environ.get("HTTP_PROXY_AUTHORIZATION", "")).partition(" ")
    return base64.b64decode(text).decode().partition(":")[0] if scheme.lower() == "basic" else ""


def admitted(region: str, groups: Iterable[str], port: int, address: str) -> bool:
    """Return whether one of the security groups admits an address to a port; without groups, all are admitted."""
    backend = ec2_backends[ACCOUNT][region]
    found = [group for each in groups if (group := backend.get_security_group_from_id(each))]
    return not found or any(_admits(backend, rule, port, address) for group in found for rule in group.ingress_rules)


def _admits(backend: Any, rule: Any, port: int, address: str) -> bool:
    if rule.ip_protocol not in ("tcp", "-1"):
        return False
    if rule.ip_protocol == "tcp" and not int(rule.from_port) <= port <= int(rule.to_port):
        return False
    blocks = [rule.ip_range["CidrIp"]] if rule.ip_range and "CidrIp" in rule.ip_range else []
    if rule.prefix_list_id:
        held = backend.managed_prefix_lists[rule.prefix_list_id]
        blocks += [entry["Cidr"] for entries in held.entries.values() for entry in entries]
    return any(IPv4Address(address) in IPv4Network(block) for block in blocks)
