"""All checks of a deployment, as `dr preflight` reports them. Needs no Pulumi engine and changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dr import clients
from dr.config import project, reader
from dr.control.incident_state import IncidentState
from dr.errors import DrError, Exit, Invalid
from dr.findings import Finding, Status, exit_code
from dr.preflight import (
    checks,
    cluster_reachability,
    deployment,
    existing_cluster,
    existing_vpc,
    guards,
    published_set,
    quotas,
    running_nodes,
)
from dr.preflight.check import Subject
from dr.topology.topology import Topology


@dataclass(frozen=True)
class PreflightReport:
    """Result of `dr preflight`.

    Args:
        stack: Name of the stack.
        region: Region of the stack; "" if the configuration is not valid.
        findings: Findings of all checks.
    """

    stack: str
    region: str
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> Exit:
        """FAILED if a check is missed, else UNKNOWN if one could not be made, else OK."""
        return exit_code(self.findings)


def run(folder: Path, stack: str) -> PreflightReport:
    """Run all checks of a stack at the same time.

    Args:
        folder: The folder of Pulumi.yaml, or one below it.
        stack: Name of the stack.

    Raises:
        Invalid: The folder has no project, or a file is not valid YAML.
    """
    root = project.project_folder(folder)
    raw = project.read_config(root, stack)
    try:
        settings = reader.read(raw)
    except Invalid as error:
        findings = [Finding(each.subject, Status.MISSED, each.fact, each.remedy) for each in error.problems]
        return PreflightReport(stack, "", tuple(findings))
    region = settings.regions[settings.role]
    configured = Finding("configuration", Status.MET, "valid")
    try:
        topology = settings.topology(clients.account_id(region))
    except DrError as error:
        return PreflightReport(stack, region, (configured, *checks.findings_of("account", error)))
    return PreflightReport(stack, region, (configured, *_findings(topology, root, stack)))


def subject_of(topology: Topology, root: Path, stack: str, search_path: str) -> Subject:
    """Return the deployment to check, with what Pulumi's files and variables say about its state.

    Args:
        topology: The topology to deploy.
        root: Folder of Pulumi.yaml.
        stack: Name of the stack.
        search_path: PATH of the engine.
    """
    state = project.read_state_settings(root, stack)
    return Subject(topology, stack, root, None, search_path, state.backend, state.secrets_provider)


def _findings(topology: Topology, root: Path, stack: str) -> list[Finding]:
    deployed, day = None, IncidentState()
    findings = list[Finding]()
    try:
        deployed, day = deployment.read_deployed(topology)
        fact = f"deployed, {deployed.region}" if deployed else "not deployed yet"
        findings.append(Finding(f"stack {stack}", Status.INFO, fact))
    except DrError as error:
        findings += checks.findings_of(f"stack {stack}", error)
    topology = topology.with_activation(day.activation)
    here, capacity = topology.here, topology.capacity_here
    vpc, cluster = topology.existing_vpc, topology.existing_cluster
    tier, prefix = deployed.tier if deployed else None, topology.bucket_prefix
    looks: list[tuple[str, str, Callable[[], Iterable[str]]]] = [
        ("network", "unchanged", lambda: _none(partial(guards.same_network, topology, deployed))),
        ("tier", str(topology.tier_here), lambda: _none(partial(guards.tier, topology, tier, day))),
        (
            "quotas",
            "enough for this tier and for a failover",
            lambda: quotas.check(capacity, here.region, topology.system_zones),
        ),
        ("model set", "published, or not served by this tier", lambda: published_set.find(topology)[1]),
        ("API server", "answers, or does not exist yet", lambda: _reachable(topology)),
    ]
    if vpc:
        looks.append(("existing VPC", vpc, lambda: _none(partial(existing_vpc.find, vpc, here))))
    if vpc and cluster:
        looks.append(("existing cluster", cluster, lambda: _none(partial(existing_cluster.find, cluster, vpc, here))))
    if topology.tier_here.spec.cluster:
        group = (capacity, here.zones, cluster or prefix, prefix, here.region)
        looks.append(("GPU nodes", "known", lambda: running_nodes.wanted(*group)[1]))
    with ThreadPoolExecutor(max_workers=len(looks)) as pool:
        running = [pool.submit(_judged, *look) for look in looks]
        subject = subject_of(topology, root, stack, os.environ.get("PATH", ""))
        found = checks.run(replace(subject, deployed=deployed))
        findings += [finding for each in found.values() for finding in each]
        findings += [finding for future in running for finding in future.result()]
    return findings


def _none(look: Callable[[], object]) -> Iterable[str]:
    look()
    return ()


def _reachable(topology: Topology) -> Iterable[str]:
    if not topology.tier_here.spec.cluster:
        return []
    problem = cluster_reachability.check(topology).problem
    return [str(problem)] if problem else []


def _judged(name: str, met: str, look: Callable[[], Iterable[str]]) -> list[Finding]:
    """Return the findings of a lookup that raises what it refuses and returns warnings."""
    try:
        warnings = list(look())
    except DrError as error:
        return checks.findings_of(name, error)
    if not warnings:
        return [Finding(name, Status.MET, met)]
    # Lookups report what they could not read as a warning with this word.
    return [
        Finding(name, Status.UNKNOWN if ": unknown, " in text else Status.MISSED, *_split(text)) for text in warnings
    ]


def _split(text: str) -> tuple[str, str]:
    fact, _, remedy = text.partition("\n    -> ")
    return fact, remedy
