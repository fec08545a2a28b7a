"""Caching resolvers of clients, against the emulator's DNS server and a clock that the test advances."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.client.resolver import CachingResolver, LookupFailedError
from sandbox.server import Running

DOMAIN, NAME = "ml.example.com", "inference.ml.example.com"


class Time:
    """A clock in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Record:
    """A record whose value the test changes."""

    def __init__(self, aws: Running) -> None:
        self._route53 = aws.client("route53", "us-east-1")
        self._zone = self._route53.create_hosted_zone(Name=DOMAIN, CallerReference="zone")["HostedZone"]["Id"]

    def set(self, value: str, ttl: int = 60, kind: str = "A") -> None:
        record: dict[str, Any] = {"Name": NAME, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        self._route53.change_resource_record_sets(HostedZoneId=self._zone, ChangeBatch={"Changes": changes})


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def record(aws: Running) -> Record:
    made = Record(aws)
    made.set("192.0.2.1")
    return made


def test_answer_is_kept_until_its_ttl_is_over_on_the_clock(aws: Running, record: Record, time: Time) -> None:
    resolver = CachingResolver(aws.names.address, time)
    assert resolver.resolve(NAME).address == "192.0.2.1"
    record.set("192.0.2.2")

    time.now += 59.9
    assert resolver.resolve(NAME).address == "192.0.2.1"
    time.now += 0.1
    assert resolver.resolve(NAME).address == "192.0.2.2"


def test_overshoot_keeps_an_answer_longer(aws: Running, record: Record, time: Time) -> None:
    resolver = CachingResolver(aws.names.address, time, overshoot=30)
    resolver.resolve(NAME)
    record.set("192.0.2.2")

    time.now += 89
    assert resolver.resolve(NAME).address == "192.0.2.1"
    time.now += 1
    assert resolver.resolve(NAME).address == "192.0.2.2"


def test_first_answer_expires_earlier_if_other_clients_asked_before(aws: Running, record: Record, time: Time) -> None:
    resolver = CachingResolver(aws.names.address, time, first_share=0.5)
    for address, kept in (("192.0.2.2", 30), ("192.0.2.3", 60)):
        before = resolver.resolve(NAME).address
        record.set(address)
        time.now += kept - 1
        assert resolver.resolve(NAME).address == before
        time.now += 1
        assert resolver.resolve(NAME).address == address


def test_cname_leads_to_a_load_balancers_address_for_the_least_ttl(aws: Running, time: Time) -> None:
    record = Record(aws)
    record.set("lb-0.elb.us-east-1.amazonaws.com", ttl=10, kind="CNAME")
    resolver = CachingResolver(aws.names.address, time)
    found = resolver.resolve(NAME)
    assert found.canonical == "lb-0.elb.us-east-1.amazonaws.com"
    assert found.address.startswith("198.18.")

    record.set("lb-0.elb.us-west-2.amazonaws.com", ttl=10, kind="CNAME")
    time.now += 10
    assert resolver.resolve(NAME).canonical == "lb-0.elb.us-west-2.amazonaws.com"


def test_name_that_does_not_exist_is_a_failed_lookup(aws: Running, time: Time) -> None:
    Record(aws)
    resolver = CachingResolver(aws.names.address, time)

    with pytest.raises(LookupFailedError, match=r"inference\.ml\.example\.com does not resolve: NXDOMAIN"):
        resolver.resolve(NAME)
