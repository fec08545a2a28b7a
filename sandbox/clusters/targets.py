"""Stands for the AWS Load Balancer Controller: registers targets by TargetGroupBindings and EndpointSlices.

Targets are pods by address (`targetType: ip`): the ready ones in all slices of the Service that a binding names. The
targets of a deleted binding are deregistered.

Simplified: it works without the controller being installed; readiness gates, node ports and rules of security groups
are ignored; a binding gets no finalizer and no status.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.world import Clients
from sandbox.clusters.api import Thing, Watched

BINDINGS = "/apis/elbv2.k8s.aws/v1beta1/targetgroupbindings"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
SERVICES = "/api/v1/services"
OWNER = "kubernetes.io/service-name"
Target = tuple[str, int]


def endpoints(binding: Thing, services: Iterable[Thing], slices: Iterable[Thing]) -> list[tuple[Thing, int]]:
    """Endpoints of a binding's Service, ready or not, each with the port of its target."""
    namespace, named = binding["metadata"]["namespace"], binding["spec"]["serviceRef"]
    port = _port_name(namespace, named, services)
    found = []
    for each in slices:
        about = each["metadata"]
        if (about["namespace"], about.get("labels", {}).get(OWNER)) != (namespace, named["name"]):
            continue
        numbers = [entry["port"] for entry in each.get("ports") or () if (entry.get("name") or "") == port]
        found += [(endpoint, number) for number in numbers for endpoint in each.get("endpoints") or ()]
    return found


def _port_name(namespace: str, named: Thing, services: Iterable[Thing]) -> str | None:
    """Name of a Service's port, which a binding names by name or number."""
    for service in services:
        if (service["metadata"]["namespace"], service["metadata"]["name"]) == (namespace, named["name"]):
            for port in service["spec"].get("ports", ()):
                if named["port"] in (port.get("name"), port["port"]):
                    return str(port.get("name", ""))
    return None


def wanted(found: Iterable[tuple[Thing, int]]) -> set[Target]:
    """The targets to register: addresses and ports of ready endpoints."""
    return {
        (address, port)
        for endpoint, port in found
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    }


class Targets:
    """Keeps the targets of one cluster registered.

    Args:
        client: Makes clients of AWS.
        region: The cluster's region.
        bindings: Its TargetGroupBindings.
        services: Its Services.
        slices: Its EndpointSlices.
    """

    def __init__(self, client: Clients, region: str, bindings: Watched, services: Watched, slices: Watched) -> None:
        # The next step retries; retries here would delay the end of the emulator.
        once = Config(retries={"total_max_attempts": 1})
        self._client: Any = client("elbv2", region, config=once)
        self._bindings, self._services, self._slices = bindings, services, slices
        self._registered: dict[str, set[Target]] = {}
        self._reported: dict[str, str] = {}

    def endpoints(self) -> list[Thing]:
        """All endpoints of bindings, ready or not."""
        services, slices = self._services.all(), self._slices.all()
        return [endpoint for binding in self._bindings.all() for endpoint, _ in endpoints(binding, services, slices)]

    def step(self) -> None:
        """Register targets that became ready, and deregister the others."""
        if not all(each.synced.is_set() for each in (self._bindings, self._services, self._slices)):
            return
        services, slices = self._services.all(), self._slices.all()
        goal = {arn: set[Target]() for arn in self._registered}
        for binding in self._bindings.all():
            goal[binding["spec"]["targetGroupARN"]] = wanted(endpoints(binding, services, slices))
        for arn, targets in goal.items():
            held = self._registered.get(arn, set())
            if targets == held:
                continue
            try:
                self._change(self._client.register_targets, arn, targets - held)
                self._change(self._client.deregister_targets, arn, held - targets)
                self._registered[arn] = targets
                self._reported.pop(arn, None)
            except (ClientError, BotoCoreError) as error:
                # The target group may not exist or not answer: reported once, and retried.
                if self._reported.get(arn) != str(error):
                    self._reported[arn] = str(error)
                    sys.stderr.write(f"target group {arn}: {error}\n")

    def _change(self, operation: Any, arn: str, targets: set[Target]) -> None:
        if targets:
            listed = [{"Id": address, "Port": port} for address, port in sorted(targets)]
            operation(TargetGroupArn=arn, Targets=listed)
