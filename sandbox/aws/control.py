"""The control API of the sandbox, under /_sandbox/: faults, the record of calls, endpoints, the clock, reset.

API servers of clusters send token reviews to it.
"""

from __future__ import annotations

import json
import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs

from moto.s3.models import s3_backends

from dr.errors import Failed
from sandbox import timings
from sandbox.aws import clock, faults
from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.answer import Answer
from sandbox.aws.behaviours import delegations, dns
from sandbox.aws.behaviours.names import plain
from sandbox.aws.emulator import Emulator
from sandbox.aws.extensions import service_quotas

PREFIX = "/_sandbox/"
TOKENS = re.compile(rf"{PREFIX}clusters/([^/]+)/([^/]+)/tokens")
"""Path of token reviews, by region and name of a cluster."""


def answer(emulator: Emulator, method: str, path: str, query: str, body: bytes) -> Answer:
    """Answer a request; an answer with status 400 or 404 has the reason in `error`."""
    arguments = {key: values[-1] for key, values in parse_qs(query).items()}
    try:
        if cluster := TOKENS.fullmatch(path):
            return Answer.of_json(emulator.world.kubernetes.review_token(cluster[1], cluster[2], body))
        content: Any = json.loads(body) if body else None
        match method, path.removeprefix(PREFIX):
            case "GET", "health":
                return Answer.of_json(_health(emulator))
            case "GET", "faults":
                return Answer.of_json(emulator.world.faults.listed())
            case "POST", "faults":
                emulator.world.faults.add(faults.parse(content))
                emulator.faults_changed()
                return Answer.of_json(emulator.world.faults.listed())
            case "DELETE", "faults":
                emulator.world.faults.clear(*_place(arguments))
                emulator.faults_changed()
                return Answer.of_json(emulator.world.faults.listed())
            case "GET", "calls":
                return Answer.of_json(emulator.calls.since(int(arguments.get("since", "0"))))
            case "GET", "refused":
                return Answer.of_json(sorted(emulator.calls.refused))
            case "GET", "hosts":
                return Answer.of_json(dict(sorted(emulator.calls.hosts.items())))
            case "GET", "endpoints":
                return Answer.of_json(emulator.world.endpoints)
            case "POST", "endpoints":
                _set_endpoint(emulator, content)
                return Answer.of_json(emulator.world.endpoints)
            case "POST", "quotas":
                _set_quota(content)
                return Answer.of_json(content)
            case "GET", "dns":
                return Answer.of_json(_resolved(emulator, arguments["name"], arguments.get("type", "A")))
            case "POST", "delegations":
                delegations.delegate(content["domain"], content["name_servers"])
                return Answer.of_json({name: sorted(servers) for name, servers in delegations.table().items()})
            case "POST", "operator":
                emulator.world.operator.address = str(ip_address(content["address"]))
                emulator.world.kubernetes.access_changed(emulator.world.operator)
                return Answer.of_json(content)
            case "GET", "clock":
                return Answer.of_json(_time())
            case "POST", "clock":
                emulator.minutes.follows = bool(content.get("follow", emulator.minutes.follows))
                kubernetes = emulator.world.kubernetes
                kubernetes.targets_follow = bool(content.get("targets", kubernetes.targets_follow))
                if "speed" in content:
                    clock.run_at(float(content["speed"]))
                ran = emulator.minutes.advance(float(content.get("advance", 0)))
                return Answer.of_json(_time() | {"minutes": ran})
            case "POST", "databases":
                wanted = (content["region"], content["cluster"], content["sql"], content.get("database", "postgres"))
                return Answer.of_json({"output": emulator.world.databases.sql(*wanted)})
            case "GET", "messages":
                return Answer.of_json(emulator.world.messages.since(int(arguments.get("since", "0"))))
            case "POST", "reset":
                emulator.reset()
                return Answer.of_json(_health(emulator))
    except (ValueError, KeyError, Failed) as error:
        return Answer.of_json({"error": f"{method} {path}: {error}"}, 400)
    return Answer.of_json({"error": f"the control API of the sandbox has no {method} {path}"}, 404)


def _resolved(emulator: Emulator, name: str, kind: str) -> dict[str, Any]:
    reply = dns.resolve(emulator.world, name, kind)
    return {"name": reply.chain[0], "type": kind, "code": reply.code, "data": reply.data, "chain": list(reply.chain)}


def _time() -> dict[str, Any]:
    """The clock, its speed, and the factor by which modelled durations are shorter that pass in the machine's time."""
    time = {"now": clock.now().isoformat(timespec="milliseconds"), "ahead": clock.ahead(), "speed": clock.speed()}
    return time | {"durations": min(timings.speed(), clock.FASTEST)}


def _health(emulator: Emulator) -> dict[str, Any]:
    return {
        "id": emulator.id,
        "pid": emulator.pid,
        "started": emulator.started,
        "buckets": len(s3_backends[ACCOUNT][PARTITION].buckets),
        "replication": emulator.replication.counts(),
        "clusters": emulator.world.kubernetes.listed(),
    }


def _place(arguments: dict[str, str]) -> tuple[str, ...]:
    """The fault to clear: of a region, a zone, a region's instance type or inference; without arguments, all faults."""
    known = ({"region"}, {"zone"}, {"kind"}, set(), *({"region", each} for each in ("instance_type", "group", "kind")))
    if arguments.keys() not in known:
        raise ValueError(
            "give a region, a zone, a region and an instance_type, a group or a kind, a kind, or nothing to clear all; "
            f"got {arguments}"
        )
    return tuple(arguments[name] for name in ("region", "zone", "instance_type", "group", "kind") if name in arguments)


def _set_quota(content: Any) -> None:
    if not isinstance(content, dict) or set(content) != {"region", "service", "code", "value"}:
        raise ValueError(f'a quota is {{"region", "service", "code", "value"}}; got {content!r}')
    service_quotas.set_value(content["region"], content["service"], content["code"], float(content["value"]))


def _set_endpoint(emulator: Emulator, content: Any) -> None:
    if not isinstance(content, dict) or not {"host", "healthy"} <= set(content):
        raise ValueError(f'an endpoint is {{"host": name, "healthy": true or false}}; got {content!r}')
    emulator.world.endpoints[plain(str(content["host"]))] = bool(content["healthy"])
