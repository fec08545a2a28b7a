"""Substitute for the AWS Load Balancer Controller: registers targets by TargetGroupBindings and EndpointSlices.

Targets are IP addresses of pods (`targetType: ip`): the ready endpoints in all EndpointSlices of the Service that a
binding names. Targets of a deleted binding are deregistered.

Simplified: the controller need not be installed; readiness gates, node ports and security group rules are ignored;
bindings get no finalizer and no status.
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
    """Return all endpoints of a binding's Service, ready or not, each with the port of its target."""
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
    """Return the name of the Service port that a binding refers to by name or number; None if it does not exist."""
    for service in services:
        if (service["metadata"]["namespace"], service["metadata"]["name"]) == (namespace, named["name"]):
            for port in service["spec"].get("ports", ()):
                if named["port"] in (port.get("name"), port["port"]):
                    return str(port.get("name", ""))
    return None


def wanted(found: Iterable[tuple[Thing, int]]) -> set[Target]:
    """Return the targets to register: addresses and ports of ready endpoints."""
    return {
        (address, port)
        for endpoint, port in found
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    }


class Targets:
    """Load balancer targets of one cluster.

    Args:
        client: Creates boto3 clients for the emulator.
        region: Region of the cluster.
        bindings: TargetGroupBindings of the cluster.
        services: Services of the cluster.
        slices: EndpointSlices of the cluster.
    """

    def __init__(self, client: Clients, region: str, bindings: Watched, services: Watched, slices: Watched) -> None:
        # No retries, which would delay the emulator's shutdown; the next step calls again.
        once = Config(retries={"total_max_attempts": 1})
        self._client: Any = client("elbv2", region, config=once)
        self._bindings, self._services, self._slices = bindings, services, slices
        self._registered: dict[str, set[Target]] = {}
        self._reported: dict[str, str] = {}

    def endpoints(self) -> list[Thing]:
        """Return the endpoints of all bindings, ready or not."""
        services, slices = self._services.all(), self._slices.all()
        return [endpoint for binding in self._bindings.all() for endpoint, _ in endpoints(binding, services, slices)]

    def step(self) -> None:
        """Register endpoints that became ready, and deregister those that are not ready any longer."""
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
                # The target group may not exist or not answer: the error is printed once, and the next step retries.
                if self._reported.get(arn) != str(error):
                    self._reported[arn] = str(error)
                    sys.stderr.write(f"target group {arn}: {error}\n")

    def _change(self, operation: Any, arn: str, targets: set[Target]) -> None:
        if targets:
            listed = [{"Id": address, "Port": port} for address, port in sorted(targets)]
            operation(TargetGroupArn=arn, Targets=listed)
