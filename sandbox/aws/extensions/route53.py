"""Route 53: complete health checks, changes of record sets under AWS's rules, and TestDNSAnswer."""

from __future__ import annotations

import copy
import string
from collections.abc import Iterator
from typing import Any

from moto.cloudwatch.models import Alarm, cloudwatch_backends
from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random
from moto.route53.exceptions import NoSuchHealthCheck
from moto.route53.models import FakeZone, HealthCheck, HostedZoneIdentifier, RecordSet, Route53Backend, route53_backends
from moto.route53.utils import validate_domain_name
from moto.utilities.id_generator import IdSourceContext, moto_id_manager

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import delegations, dns, health_checks
from sandbox.aws.behaviours.names import plain
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

ENDPOINT_DEFAULTS = {"RequestInterval": 30, "FailureThreshold": 3, "MeasureLatency": False}
"""Defaults of a check of an endpoint (Route 53 API reference, HealthCheckConfig)."""
DEFAULT_PORT = {"HTTP": 80, "HTTP_STR_MATCH": 80, "HTTPS": 443, "HTTPS_STR_MATCH": 443}
ROUTING = ("Weight", "Failover", "Region", "GeoLocation", "MultiValueAnswer")


def _zone_id(context: IdSourceContext) -> str | None:
    """An id in AWS's form: it starts with Z, which software relies on."""
    if not isinstance(context.get("resource_identifier"), HostedZoneIdentifier):
        return None
    return "Z" + "".join(mock_random.choice(string.ascii_uppercase + string.digits) for _ in range(20))


moto_id_manager.add_id_source(_zone_id)


def backend() -> Route53Backend:
    return route53_backends[ACCOUNT][PARTITION]


@answers("route53", "CreateHostedZone")
def create_hosted_zone(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Give a public zone the name servers of its delegation set, or new ones. moto gives all zones the same."""
    wanted = call.parameters
    config = wanted.get("HostedZoneConfig", {})
    if str(config.get("PrivateZone", "")).lower() == "true" or wanted.get("VPC"):
        return moto()
    id = str(wanted.get("DelegationSetId") or "").removeprefix("/delegationset/")
    delegations.table()
    if id and id not in backend().delegation_sets:
        raise AwsError("NoSuchDelegationSet", f"The specified delegation set does not exist: {id}")
    servers = list(backend().delegation_sets[id].name_servers) if id else delegations.fresh_servers()
    name = f"{plain(wanted['Name'])}."
    zone = backend().create_hosted_zone(
        name, False, wanted["CallerReference"], comment=config.get("Comment"), delegation_set_id=id or None
    )
    _serve_from(zone, servers)
    described = {"Id": f"/hostedzone/{zone.id}", "Name": name, "CallerReference": zone.caller_reference}
    return {
        "HostedZone": described | {"Config": config, "ResourceRecordSetCount": len(zone.rrsets)},
        "ChangeInfo": {"Id": "/change/C1PA6795UKMFR9", "Status": "INSYNC", "SubmittedAt": utcnow()},
        "DelegationSet": {"NameServers": servers} | ({"Id": f"/delegationset/{id}"} if id else {}),
        "Location": f"https://route53.amazonaws.com/2013-04-01/hostedzone/{zone.id}",
    }


def _serve_from(zone: FakeZone, servers: list[str]) -> None:
    """Set the name servers of a zone, and the records in it that name them."""
    if zone.delegation_set:
        zone.delegation_set.name_servers = servers
    for record in zone.rrsets:
        if record.type == "NS":
            record.records = [f"{server}." for server in servers]
        elif record.type == "SOA":
            record.records = [f"{servers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"]


@answers("route53", "GetReusableDelegationSet")
def get_delegation_set(call: Call, moto: Moto) -> Answer:
    delegations.table()
    return moto()


@answers("route53", "CreateHealthCheck")
def create_health_check(call: Call, moto: Moto) -> dict[str, Any]:
    reference, config = call.parameters["CallerReference"], _completed(call.parameters["HealthCheckConfig"])
    _check_references(config)
    for known in backend().health_checks.values():
        if known.caller_reference == reference:
            if health_checks.config_of(known) != config:
                raise AwsError("HealthCheckAlreadyExists", f"A health check with caller reference {reference} exists.")
            return _described(known)
    check = backend().create_health_check(reference, {"type": config["Type"]})
    _keep(check, config)
    return _described(check) | {"Location": f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check.id}"}


@answers("route53", "UpdateHealthCheck")
def update_health_check(call: Call, moto: Moto) -> dict[str, Any]:
    """Change the elements that the request names; ResetElements and the expected version as in the API reference."""
    changes = dict(call.parameters)
    check = backend().get_health_check(changes.pop("HealthCheckId"))
    expected = changes.pop("HealthCheckVersion", None)
    if expected is not None and int(expected) != check.health_check_version:
        has = f"{check.id} has version {check.health_check_version}, not {expected}"
        raise AwsError("HealthCheckVersionMismatch", f"The health check {has}.")
    reset = set(changes.pop("ResetElements", []))
    config = {name: value for name, value in health_checks.config_of(check).items() if name not in reset} | changes
    _check_references(config)
    _keep(check, config)
    check.health_check_version += 1
    return _described(check)


@answers("route53", "GetHealthCheck")
def get_health_check(call: Call, moto: Moto) -> dict[str, Any]:
    return _described(backend().get_health_check(call.parameters["HealthCheckId"]))


@answers("route53", "ListHealthChecks")
def list_health_checks(call: Call, moto: Moto) -> dict[str, Any]:
    described = [_described(check)["HealthCheck"] for check in backend().list_health_checks()]
    return {"HealthChecks": described, "Marker": "", "IsTruncated": False, "MaxItems": "100"}


@answers("route53", "DeleteHealthCheck")
def delete_health_check(call: Call, moto: Moto) -> Answer:
    """Delete a check even if records or other checks name it, as AWS does."""
    backend().get_health_check(call.parameters["HealthCheckId"])
    return moto()


@answers("route53", "GetHealthCheckCount")
def get_health_check_count(call: Call, moto: Moto) -> dict[str, Any]:
    return {"HealthCheckCount": len(backend().health_checks)}


@answers("route53", "GetHealthCheckStatus")
def get_health_check_status(call: Call, moto: Moto) -> dict[str, Any]:
    check = backend().get_health_check(call.parameters["HealthCheckId"])
    healthy, reason = health_checks.observation(call.world, check)
    report = {"Status": f"{'Success' if healthy else 'Failure'}: {reason}", "CheckedTime": utcnow()}
    regions = health_checks.reporting(call.world, health_checks.config_of(check))
    return {
        "HealthCheckObservations": [
            {"Region": region, "IPAddress": "127.0.0.1", "StatusReport": report} for region in regions
        ]
    }


@answers("route53", "TestDNSAnswer")
def test_dns_answer(call: Call, moto: Moto) -> dict[str, Any]:
    zone = backend().get_hosted_zone(call.parameters["HostedZoneId"])
    name, kind = call.parameters["RecordName"], call.parameters["RecordType"]
    reply = dns.answer_for(call.world, zone, name, kind)
    server = zone.delegation_set.name_servers[0] if zone.delegation_set else "vpc"
    return {
        "Nameserver": server,
        "RecordName": name,
        "RecordType": kind,
        "RecordData": reply.data,
        "ResponseCode": reply.code,
        "Protocol": "UDP",
    }


@answers("route53", "ChangeResourceRecordSets")
def change_record_sets(call: Call, moto: Moto) -> dict[str, Any]:
    """Apply all changes or none. moto deletes by set identifier alone, under every name of the zone."""
    zone = backend().get_hosted_zone(call.parameters["HostedZoneId"])
    records = list(zone.rrsets)
    for change in call.parameters["ChangeBatch"]["Changes"]:
        _change(zone, records, change["Action"], copy.deepcopy(change["ResourceRecordSet"]))
    zone.rrsets = records
    return {"ChangeInfo": {"Id": "/change/C2682N5HXP0BZ4", "Status": "INSYNC", "SubmittedAt": utcnow()}}


def _change(zone: FakeZone, records: list[RecordSet], action: str, wanted: dict[str, Any]) -> None:
    wanted["Name"] = plain(wanted["Name"]) + "."
    wanted["ResourceRecords"] = [record["Value"] for record in wanted.get("ResourceRecords", [])]
    validate_domain_name(wanted["Name"], code="InvalidChangeBatch")
    title = f"[name='{wanted['Name']}', type='{wanted['Type']}'"
    title += f", set-identifier='{wanted['SetIdentifier']}']" if wanted.get("SetIdentifier") else "]"
    if not f".{wanted['Name']}".endswith(f".{plain(zone.name)}."):
        raise _refused(f"RRSet with DNS name {wanted['Name']} is not permitted in zone {zone.name}")
    held = next((record for record in records if _identity(record) == _identity(_record(wanted))), None)
    if action == "DELETE":
        if held is None:
            raise _refused(f"Tried to delete resource record set {title} but it was not found")
        if _values(held) != _values(_record(wanted)):
            raise _refused(
                f"Tried to delete resource record set {title} but the values provided do not match the current values"
            )
        records.remove(held)
        return
    if action == "CREATE" and held is not None:
        raise _refused(f"Tried to create resource record set {title} but it already exists")
    for problem in _problems(zone, records, wanted, held):
        raise _refused(problem)
    if wanted.get("HealthCheckId") and wanted["HealthCheckId"] not in backend().health_checks:
        raise NoSuchHealthCheck(wanted["HealthCheckId"])
    if held is None:
        records.append(_record(wanted))
    else:
        records[records.index(held)] = _record(wanted)


def _problems(
    zone: FakeZone, records: list[RecordSet], wanted: dict[str, Any], held: RecordSet | None
) -> Iterator[str]:
    name, kind = wanted["Name"], wanted["Type"]
    routing = [policy for policy in ROUTING if wanted.get(policy) is not None]
    if len(routing) > 1:
        yield f"RRSet {name} {kind} has {' and '.join(routing)}; one routing policy at most"
    if bool(routing) != bool(wanted.get("SetIdentifier")):
        yield f"RRSet {name} {kind}: SetIdentifier and a routing policy (such as Weight) go together"
    if bool(wanted.get("AliasTarget")) == bool(wanted["ResourceRecords"] and wanted.get("TTL") is not None):
        yield f"RRSet {name} {kind} needs either AliasTarget, or TTL and ResourceRecords"
    if kind == "CNAME" and name == f"{plain(zone.name)}.":
        yield f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {zone.name}"
    others = [record for record in records if record.name == name and record is not held]
    if any((record.type == "CNAME") != (kind == "CNAME") for record in others):
        conflict = "it conflicts with other records with the same DNS name"
        yield f"RRSet of type {kind} with DNS name {name} is not permitted as {conflict} in zone {zone.name}"
    if any(record.type == kind and _routing(record) != routing for record in others):
        conflict = "other RRSets of the name and type exist with another routing policy"
        yield f"RRSet with DNS name {name}, type {kind} cannot be created as {conflict}"


def _record(wanted: dict[str, Any]) -> RecordSet:
    """moto's record set. Its abstract methods are CloudFormation's."""
    return RecordSet(wanted)  # type: ignore[abstract]


def _identity(record: RecordSet) -> tuple[str, str | None, str | None]:
    return record.name, record.type, record.set_identifier


def _values(record: RecordSet) -> dict[str, Any]:
    """The values that a DELETE must repeat. An alias target may have a trailing dot or not."""
    values = dict(vars(record)) | {"ttl": str(record.ttl), "records": sorted(record.records)}
    if record.alias_target:
        values["alias_target"] = record.alias_target | {"DNSName": plain(record.alias_target["DNSName"])}
    return values


def _routing(record: RecordSet) -> list[str]:
    held = (record.weight, record.failover, record.region, record.geo_location, record.multi_value_answer)
    return [policy for policy, value in zip(ROUTING, held, strict=True) if value is not None]


def _completed(config: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"Inverted": False, "Disabled": False}
    if config["Type"] not in health_checks.OF_OTHERS:
        defaults |= ENDPOINT_DEFAULTS | {"EnableSNI": config["Type"].startswith("HTTPS")}
        if config["Type"] in DEFAULT_PORT:
            defaults["Port"] = DEFAULT_PORT[config["Type"]]
    return defaults | config


def _check_references(config: dict[str, Any]) -> None:
    unknown = [child for child in config.get("ChildHealthChecks", []) if child not in backend().health_checks]
    if unknown:
        raise _invalid(f"Invalid parameter: the child health checks {', '.join(unknown)} do not exist.")
    if config["Type"] == "CLOUDWATCH_METRIC":
        alarm = config.get("AlarmIdentifier")
        if not alarm:
            raise _invalid("Invalid parameter: AlarmIdentifier must be specified for type CLOUDWATCH_METRIC.")
        found = cloudwatch_backends[ACCOUNT][alarm["Region"]].alarms.get(alarm["Name"])
        if found is None:
            raise _invalid(f"Invalid parameter: the alarm {alarm['Name']} does not exist in {alarm['Region']}.")
        if unsupported := _unsupported(found):
            raise _invalid(f"Invalid parameter: the alarm {alarm['Name']} {unsupported}.")


def _unsupported(alarm: Alarm) -> str | None:
    """Why Route 53 cannot monitor an alarm; None if it can.

    Sources: Route 53 API reference, AlarmIdentifier; developer guide, "Monitoring a CloudWatch alarm".
    """
    if alarm.rule or alarm.metric_data_queries:
        return "is not an alarm on one metric"
    if not alarm.statistic:
        return "has an extended statistic"
    if int(alarm.period) < 60:
        return "is a high-resolution alarm"
    if int(alarm.datapoints_to_alarm or alarm.evaluation_periods) != int(alarm.evaluation_periods):
        return "needs M of N datapoints"
    return None


def _keep(check: HealthCheck, config: dict[str, Any]) -> None:
    """Store the configuration and, as Route 53 does, a copy of the alarm: later changes of the alarm have no effect."""
    vars(check)["config"] = config
    if identifier := config.get("AlarmIdentifier"):
        vars(check)["alarm"] = copy.copy(cloudwatch_backends[ACCOUNT][identifier["Region"]].alarms[identifier["Name"]])


def _described(check: HealthCheck) -> dict[str, Any]:
    described = {
        "Id": check.id,
        "CallerReference": check.caller_reference,
        "HealthCheckConfig": health_checks.config_of(check),
        "HealthCheckVersion": check.health_check_version,
    }
    if alarm := vars(check).get("alarm"):
        described["CloudWatchAlarmConfiguration"] = {
            "EvaluationPeriods": alarm.evaluation_periods,
            "Threshold": alarm.threshold,
            "ComparisonOperator": alarm.comparison_operator,
            "Period": alarm.period,
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "Statistic": alarm.statistic,
            "Dimensions": [{"Name": dimension.name, "Value": dimension.value} for dimension in alarm.dimensions],
        }
    return {"HealthCheck": described}


def _refused(message: str) -> AwsError:
    return AwsError("InvalidChangeBatch", f"[{message}]")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidInput", message)
