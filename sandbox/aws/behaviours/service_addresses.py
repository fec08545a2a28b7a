"""Public addresses of AWS services, as far as egress rules can name them: S3's differ by region."""

from __future__ import annotations

from ipaddress import IPv4Network

from moto.ec2.models import ec2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.behaviours import service_hosts
from sandbox.aws.behaviours.addresses import is_address

S3_BLOCKS = {
    "us-east-1": (
        *("1.178.4.0/24", "1.178.5.0/24", "1.178.6.0/24", "16.15.176.0/20", "16.15.192.0/18", "16.182.0.0/16"),
        *("18.34.0.0/19", "18.34.232.0/21", "3.2.64.0/24", "3.2.65.0/24", "3.2.74.0/24", "3.5.0.0/19"),
        *("52.216.0.0/15", "54.231.0.0/16"),
    ),
    "us-east-2": (
        *("1.178.8.0/24", "16.12.60.0/22", "16.12.64.0/22", "18.34.252.0/22", "18.34.72.0/21", "3.2.67.0/24"),
        *("3.5.128.0/22", "3.5.132.0/23", "3.5.88.0/22", "3.5.92.0/23", "52.219.176.0/22", "52.219.212.0/22"),
        *("52.219.80.0/20", "52.219.96.0/20"),
    ),
    "us-west-2": (
        *("1.178.65.0/24", "1.178.9.0/24", "16.12.104.0/21", "16.12.112.0/21", "16.12.88.0/21", "16.12.96.0/21"),
        *("16.15.32.0/20", "18.34.244.0/22", "18.34.48.0/20", "3.2.68.0/24", "3.5.76.0/22", "3.5.80.0/21"),
        *("52.218.128.0/17", "52.92.128.0/17"),
    ),
    "eu-west-1": ("1.178.7.0/24", "3.5.64.0/21", "3.5.72.0/23", "3.5.74.0/23", "52.218.0.0/17", "52.92.0.0/17"),
}
"""IPv4 blocks of S3 (AWS's ip-ranges.json and managed prefix lists, in February 2026). Lists of other regions are
moto's, which are the same in each region."""
OTHER = "192.0.2.1"
"""Address of every other host (RFC 5737, TEST-NET-1)."""


def publish(region: str) -> None:
    """Put S3's blocks into the region's managed prefix list of S3."""
    listed = ec2_backends[ACCOUNT][region].managed_prefix_lists.values()
    for each in listed:
        if each.prefix_list_name == f"com.amazonaws.{region}.s3" and region in S3_BLOCKS:
            each.entries = {1: [{"Cidr": block, "Description": "default"} for block in S3_BLOCKS[region]]}


def address_of(name: str) -> str:
    """Return the address of a host: for S3, the first one of the region's prefix list."""
    if is_address(name):
        return name
    host = service_hosts.find(name)
    if host is None or host.service != "s3":
        return OTHER
    publish(host.region)
    listed = ec2_backends[ACCOUNT][host.region].managed_prefix_lists.values()
    (found,) = (each for each in listed if each.prefix_list_name == f"com.amazonaws.{host.region}.s3")
    (entries,) = found.entries.values()
    return str(next(IPv4Network(entries[0]["Cidr"]).hosts()))
