"""Hosted zones, records and health checks. All of them are global: no region.

After internal/service/route53/{zone,record,health_check}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Resource, ResourceType, Tags


def _tags(kind: str) -> Tags:
    """Tags of a `hostedzone` or `healthcheck`: one operation both sets and removes them."""

    def read(resource: Resource) -> dict[str, str]:
        answer = resource.send("list_tags_for_resource", ResourceType=kind, ResourceId=resource.id)
        return {tag["Key"]: tag["Value"] for tag in answer["ResourceTagSet"]["Tags"]}

    def write(resource: Resource, added: dict[str, str], removed: list[str]) -> None:
        changes: dict[str, Any] = {"RemoveTagKeys": removed} if removed else {}
        if added:
            changes["AddTags"] = [{"Key": name, "Value": value} for name, value in added.items()]
        if changes:
            resource.send("change_tags_for_resource", ResourceType=kind, ResourceId=resource.id, **changes)

    return Tags(read, write)


# Hosted zones --------------------------------------------------------------------------------------------------


def _create_zone(zone: Resource) -> None:
    answer = zone.send(
        "create_hosted_zone",
        Name=zone.wanted["name"],
        CallerReference=str(uuid.uuid4()),
        HostedZoneConfig={"Comment": zone.wanted["comment"], "PrivateZone": False},
        **({"DelegationSetId": zone.wanted["delegationSetId"]} if zone.wanted.get("delegationSetId") else {}),
    )
    zone.id = answer["HostedZone"]["Id"].rpartition("/")[2]


def _read_zone(zone: Resource) -> dict[str, Any]:
    answer = zone.send("get_hosted_zone", Id=zone.id)
    servers = sorted(answer.get("DelegationSet", {}).get("NameServers", []))
    found = answer["HostedZone"]
    name = found["Name"].removesuffix(".")
    soa = zone.send(
        "list_resource_record_sets", HostedZoneId=zone.id, StartRecordName=name, StartRecordType="SOA", MaxItems="1"
    )["ResourceRecordSets"]
    first = soa[0]["ResourceRecords"][0]["Value"].split()[0] if soa and soa[0]["Type"] == "SOA" else ""
    return {
        "Name": name,
        "HostedZoneConfig": found.get("Config", {}),
        "DelegationSetId": answer.get("DelegationSet", {}).get("Id", "").removeprefix("/delegationset/") or None,
        "Arn": f"arn:aws:route53:::hostedzone/{zone.id}",
        "ZoneId": zone.id,
        "NameServers": servers,
        "PrimaryNameServer": first.removesuffix(".") or None,
    }


def _comment(zone: Resource) -> None:
    zone.send("update_hosted_zone_comment", Id=zone.id, Comment=zone.wanted["comment"])


def _delete_zone(zone: Resource) -> None:
    if zone.state.get("forceDestroy"):
        apex = zone.state["name"]
        for found in _records(zone, zone.id):
            if not (_plain(found["Name"]) == _plain(apex) and found["Type"] in ("NS", "SOA")):
                _change(zone, zone.id, ("DELETE", found))
    zone.send("delete_hosted_zone", Id=zone.id)


ZONE = ResourceType(
    token="aws:route53/zone:Zone",
    service="route53",
    shape="CreateHostedZoneRequest",
    properties="name! comment=HostedZoneConfig.Comment delegationSetId forceDestroy:boolean",
    outputs="""arn=Arn:string zoneId=ZoneId:string nameServers=NameServers:list
               primaryNameServer=PrimaryNameServer:string""",
    identity="{Id}",
    regional=False,
    auto_name=AutoName("name", 255),
    defaults={"comment": "Managed by Pulumi", "forceDestroy": False},
    replace_on=frozenset({"name", "delegationSetId"}),
    equal={"name": lambda one, other: _plain(one) == _plain(other)},
    create=_create_zone,
    read=_read_zone,
    update=(("comment", _comment),),
    delete=_delete_zone,
    tags=_tags("hostedzone"),
)

# Health checks -------------------------------------------------------------------------------------------------

RESETTABLE = {
    "childHealthchecks": "ChildHealthChecks",
    "fqdn": "FullyQualifiedDomainName",
    "regions": "Regions",
    "resourcePath": "ResourcePath",
}
"""Properties that an update can remove (route53 ResettableElementName); others keep their value."""


def _create_check(check: Resource) -> None:
    arguments = check.arguments("create_health_check", "HealthCheckConfig")
    answer = check.send("create_health_check", CallerReference=str(uuid.uuid4()), **arguments)
    check.id = answer["HealthCheck"]["Id"]


def _read_check(check: Resource) -> dict[str, Any]:
    found = check.send("get_health_check", HealthCheckId=check.id)["HealthCheck"]
    return {**found["HealthCheckConfig"], "Arn": f"arn:aws:route53:::healthcheck/{check.id}"}


def _update_check(check: Resource) -> None:
    gone = [RESETTABLE[name] for name in sorted(RESETTABLE.keys() - check.wanted.keys()) if name in check.state]
    reset = {"ResetElements": gone} if gone else {}
    check.send("update_health_check", **check.arguments("update_health_check"), **reset)


HEALTH_CHECK = ResourceType(
    token="aws:route53/healthCheck:HealthCheck",
    service="route53",
    shape="HealthCheckConfig",
    properties="""type! fqdn=FullyQualifiedDomainName ipAddress port resourcePath searchString
                  requestInterval failureThreshold measureLatency enableSni regions:set disabled
                  invertHealthcheck=Inverted childHealthchecks:set childHealthThreshold=HealthThreshold
                  cloudwatchAlarmName=AlarmIdentifier.Name cloudwatchAlarmRegion=AlarmIdentifier.Region
                  insufficientDataHealthStatus routingControlArn""",
    outputs="arn=Arn:string",
    identity="{HealthCheckId}",
    regional=False,
    defaults={"disabled": False},
    computed=frozenset({"enableSni", "failureThreshold", "requestInterval", "measureLatency", "childHealthThreshold"}),
    replace_on=frozenset({"type", "requestInterval", "measureLatency", "routingControlArn"}),
    create=_create_check,
    read=_read_check,
    update=(("", _update_check),),
    delete=Call("delete_health_check"),
    tags=_tags("healthcheck"),
)

# Records -------------------------------------------------------------------------------------------------------


def _plain(name: str) -> str:
    """A domain name for comparison: in lower case, without the last dot, with `*` for Route 53's `\\052`."""
    return name.removesuffix(".").lower().replace("\\052", "*")


def _full_name(record: Resource, zone_id: str, name: str) -> str:
    """A name with its zone's name appended, unless it ends with it."""
    names = record.connections.zone_names
    if zone_id not in names:
        names[zone_id] = _plain(record.send("get_hosted_zone", Id=zone_id)["HostedZone"]["Name"])
    zone, name = names[zone_id], _plain(name)
    return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}".lstrip(".")


def _record_set(record: Resource) -> dict[str, Any]:
    """Route 53's record set of the wanted properties."""
    zone_id, kind = record.wanted["zoneId"], record.wanted["type"]
    result = record.members()
    del result["ZoneId"]
    result["Name"] = _full_name(record, zone_id, record.wanted["name"])
    if texts := result.pop("Values", None):
        result["ResourceRecords"] = [{"Value": _quoted(kind, text)} for text in sorted(texts)]
    return result


def _quoted(kind: str, value: str) -> str:
    return f'"{value}"' if kind in ("TXT", "SPF") and not value.startswith('"') else value


def _records(resource: Resource, zone_id: str, **start: str) -> Iterator[dict[str, Any]]:
    """The record sets of a zone, from a name and type on."""
    more: dict[str, str] = start
    while True:
        page = resource.send("list_resource_record_sets", HostedZoneId=zone_id, **more)
        yield from page["ResourceRecordSets"]
        if not page["IsTruncated"]:
            return
        more = {
            f"Start{name}": page[f"Next{name}"]
            for name in ("RecordName", "RecordType", "RecordIdentifier")
            if f"Next{name}" in page
        }


def _change(resource: Resource, zone_id: str, *changes: tuple[str, dict[str, Any]]) -> None:
    batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
    resource.send("change_resource_record_sets", HostedZoneId=zone_id, ChangeBatch=batch)


def _create_record(record: Resource) -> None:
    wanted = _record_set(record)
    zone_id = record.wanted["zoneId"]
    _change(record, zone_id, ("UPSERT" if record.wanted["allowOverwrite"] else "CREATE", wanted))
    parts = (zone_id, _plain(record.wanted["name"]), wanted["Type"], wanted.get("SetIdentifier"))
    record.id = "_".join(part for part in parts if part)


def _key(record: Resource) -> dict[str, str]:
    """Zone, name, type and set identifier, from the state or from the id of an imported record."""
    if "zoneId" in record.state:
        return record.state
    zone_id, *words = record.id.split("_")
    # A name may contain underscores (_acme-challenge): the last word that is a record type is the type.
    types = RECORD.fields["type"].allowed
    at = max((index for index, word in enumerate(words) if index and word in types), default=0)
    if not at:
        raise Refused("InvalidInput", f"{record.id!r} is not ZONEID_name_TYPE[_setIdentifier]", "route53:import", "")
    key = {"zoneId": zone_id, "name": "_".join(words[:at]), "type": words[at]}
    return key | ({"setIdentifier": "_".join(words[at + 1 :])} if words[at + 1 :] else {})


def _find(record: Resource, key: Mapping[str, Any]) -> dict[str, Any] | None:
    name = _full_name(record, key["zoneId"], key["name"])
    for found in _records(record, key["zoneId"], StartRecordName=name, StartRecordType=key["type"]):
        if _plain(found["Name"]) != name or found["Type"] != key["type"]:
            return None
        if found.get("SetIdentifier") == key.get("setIdentifier"):
            return found
    return None


def _read_record(record: Resource) -> dict[str, Any] | None:
    key = record.wanted or _key(record)
    found = _find(record, key)
    if found is None:
        return None
    texts = [one["Value"] for one in found.get("ResourceRecords", [])]
    if found["Type"] in ("TXT", "SPF"):
        texts = [text[1:-1] if text[:1] == text[-1:] == '"' else text for text in texts]
    return {**found, "ZoneId": key["zoneId"], "Name": key["name"], "Fqdn": _plain(found["Name"]), "Values": texts}


def _update_record(record: Resource) -> None:
    """Update a record. Another type or set identifier means another record set: one batch replaces the old one."""
    wanted, old = _record_set(record), _find(record, record.state)
    moved = {"type", "setIdentifier"} & (record.changed or set())
    changes = [("DELETE", old), ("CREATE", wanted)] if moved and old else [("UPSERT", wanted)]
    _change(record, record.wanted["zoneId"], *changes)


def _delete_record(record: Resource) -> None:
    key = _key(record)
    if found := _find(record, key):
        _change(record, key["zoneId"], ("DELETE", found))


POLICIES = (
    "weightedRoutingPolicies",
    "failoverRoutingPolicies",
    "latencyRoutingPolicies",
    "geolocationRoutingPolicies",
    "multivalueAnswerRoutingPolicy",
)
RECORD = ResourceType(
    token="aws:route53/record:Record",
    service="route53",
    shape="ResourceRecordSet",
    properties="""zoneId=ZoneId:string! name! type! ttl records=Values:set setIdentifier healthCheckId
                  aliases:only{zoneId=AliasTarget.HostedZoneId! name=AliasTarget.DNSName!
                               evaluateTargetHealth=AliasTarget.EvaluateTargetHealth!}
                  weightedRoutingPolicies:only{weight!} failoverRoutingPolicies:only{type=Failover!}
                  latencyRoutingPolicies:only{region!} multivalueAnswerRoutingPolicy=MultiValueAnswer
                  geolocationRoutingPolicies:only{continent=GeoLocation.ContinentCode country=GeoLocation.CountryCode
                                                  subdivision=GeoLocation.SubdivisionCode}
                  allowOverwrite:boolean""",
    outputs="fqdn=Fqdn:string",
    regional=False,
    defaults={"allowOverwrite": False},
    replace_on=frozenset({"name", "zoneId"}),
    equal={
        "name": lambda one, other: _plain(one) == _plain(other),
        "aliases[].name": lambda one, other: _plain(one) == _plain(other),
    },
    exclusive=(("aliases", "records"), ("aliases", "ttl"), POLICIES),
    needs={"": ("records", "aliases"), **dict.fromkeys(POLICIES, ("setIdentifier",))},
    create=_create_record,
    read=_read_record,
    update=(("", _update_record),),
    delete=_delete_record,
)

TYPES = (ZONE, HEALTH_CHECK, RECORD)
