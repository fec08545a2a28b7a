"""Delegation of the hosted zone, against an emulated Route 53 and its name server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dr import clients
from dr.clients import Unreachable
from dr.findings import Finding, Status
from dr.preflight import checks, delegation
from dr.preflight.check import Check, Subject
from dr.topology.topology import Role
from sandbox.aws.behaviours.delegations import DELEGATION_SET, SERVERS
from sandbox.server import Running, running
from tests.support.builders import half, topology


@pytest.fixture(scope="module")
def emulated() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture
def aws(emulated: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    emulated.emulator.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulated.endpoint)
    monkeypatch.setenv("DR_RESOLVER", emulated.names.address)
    clients.forget()
    return emulated


def create(aws: Running, name: str = "ml.example.com", **more: str) -> tuple[str, list[str]]:
    made = aws.client("route53", "us-east-1").create_hosted_zone(Name=name, CallerReference=name, **more)
    return made["HostedZone"]["Id"].rpartition("/")[2], made["DelegationSet"]["NameServers"]


def delegate(domain: str, servers: list[str]) -> None:
    from sandbox.aws.behaviours import delegations

    delegations.delegate(domain, servers)


def look(role: Role = Role.PRIMARY, /, deployed: Any = None, **changes: str) -> Finding:
    subject = Subject(topology(role, **changes), "primary", Path("/project"), deployed)
    check = Check("delegation", delegation.look)
    (found,) = checks.run(subject, [check])[check]
    return found


@pytest.mark.usefixtures("aws")
def test_first_update_that_would_create_an_undelegated_zone_is_missed_with_the_steps() -> None:
    found = look()

    assert found.status is Status.MISSED
    assert "would create the zone, to which nothing delegates, and wait 30 minutes" in found.measured
    assert "`aws route53 create-hosted-zone --name ml.example.com" in found.hint
    assert "`pulumi config set dr:hostedZone <ID of the zone> -s primary`" in found.hint


@pytest.mark.usefixtures("aws")
def test_zone_from_a_delegated_delegation_set_is_met_before_it_exists() -> None:
    found = look(delegationSet=DELEGATION_SET)

    assert (found.status, found.measured) == (Status.MET, ", ".join(sorted(SERVERS)))


@pytest.mark.usefixtures("aws")
def test_delegation_set_that_does_not_exist_is_missed() -> None:
    assert look(delegationSet="N0OTHER").status is Status.MISSED


def test_existing_zone_is_met_once_its_parent_names_its_servers(aws: Running) -> None:
    zone, servers = create(aws, "ml.your-company.com")
    wanted = {"domain": "ml.your-company.com", "hostedZone": zone}
    missed = look(**wanted)
    assert missed.status is Status.MISSED
    assert f"the parent zone names no name servers; the zone has {', '.join(sorted(servers))}" in missed.measured
    assert "set the NS record of ml.your-company.com to" in missed.hint

    delegate("ml.your-company.com", servers)
    assert look(**wanted).status is Status.MET


def test_zone_that_an_interrupted_first_update_created_is_found_by_its_name(aws: Running) -> None:
    _, servers = create(aws)
    assert look().status is Status.MISSED

    delegate("ml.example.com", servers)
    assert look().status is Status.MET


def test_deployed_stack_is_compared_with_its_own_zone(aws: Running) -> None:
    zone, _ = create(aws, DelegationSetId=DELEGATION_SET)
    written = half(Role.RECOVERY)
    own = clients_half(written, zone)

    assert look(Role.RECOVERY, deployed=own).status is Status.MET
    delegate("ml.example.com", ["ns-1.other.example"])
    missed = look(Role.RECOVERY, deployed=own)
    assert (missed.status, "names ns-1.other.example" in missed.measured) == (Status.MISSED, True)


def clients_half(written: Any, zone: str) -> Any:
    from dataclasses import replace

    return replace(written, dns=replace(written.dns, zone_id=zone))


def test_zone_is_unknown_while_route_53_does_not_answer(aws: Running) -> None:
    from sandbox.aws.faults import parse

    aws.emulator.faults.add(parse({"kind": "region", "region": "us-east-1", "unreachable": True, "with_global": True}))

    assert look(hostedZone="Z0ZONE").status is Status.UNKNOWN


def test_dns_that_does_not_answer_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(delegation, "SECONDS", 0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("DR_RESOLVER", f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Unreachable, match="DNS does not answer"):
            delegation.parent_servers("ml.example.com")


def test_certificate_stays_pending_until_its_zone_is_delegated(aws: Running) -> None:
    acm, route53 = aws.client("acm", "us-east-1"), aws.client("route53", "us-east-1")
    zone, servers = create(aws)
    arn = acm.request_certificate(DomainName="a.ml.example.com", ValidationMethod="DNS")["CertificateArn"]
    option = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]
    record = option["ResourceRecord"]
    records = {"Name": record["Name"], "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": record["Value"]}]}
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": records}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "PENDING_VALIDATION"

    delegate("ml.example.com", servers)
    assert acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"] == "ISSUED"


def test_each_zone_has_its_own_name_servers(aws: Running) -> None:
    _, one = create(aws, "one.example.com")
    _, other = create(aws, "other.example.com")

    assert set(one) & set(other) == set()
