"""Readiness checks of access: permissions, the certificate, and writes to the recovery region's control bucket."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from dr.clients import Conflict, Missing, Unreachable, calls, client
from dr.clusters.api_client import ClusterApi, Denied
from dr.control import incident_state
from dr.control.contract import DatabaseRecord
from dr.errors import DrError, Failed
from dr.findings import Finding, Status
from dr.names import CONTROL, GLOBAL_REGION, MLFLOW, incident_instance_name, restored_cluster_name
from dr.operations.database_steps import is_restored
from dr.operations.inspected import PRIMARY_BY, Inspected
from dr.operations.scene import Scene
from dr.preflight.cluster_reachability import principal_of
from dr.topology.serving import NAMESPACE
from dr.topology.topology import Role
from dr.topology.workers import group_name
from dr.topology.writers import WRITERS

IAM = "IAM"
PROBE_KEY = "readiness/write.json"
"""Object of the control bucket that each check writes again."""
SHORTEST_CERTIFICATE = timedelta(days=30)
"""ACM starts to renew a certificate 60 days before it ends (ACM user guide, "Managed certificate renewal")."""
IN_CLUSTER = (
    ("get", "apps", "deployments", "", NAMESPACE),
    ("patch", "apps", "deployments", "scale", NAMESPACE),
    ("list", "", "nodes", "", ""),
    *(("patch", each.group, each.resource, "", each.namespace) for each in WRITERS),
)
"""What an operation does in the cluster: verb, API group, resource, subresource, namespace ("" for all)."""
WITH_REGISTRY = tuple((verb, "apps", "deployments", "", MLFLOW) for verb in ("get", "patch"))
"""What it also does where the cluster has an MLflow server."""


RESTORE = ("rds:RestoreDBClusterFromSnapshot", "rds:AddTagsToResource", "rds:ModifyDBCluster", "rds:DeleteDBCluster")


@dataclass(frozen=True)
class Restored:
    """What a failover restores in a region without a replica of the database.

    Args:
        cluster: Identifier of the cluster.
        secret: ARN of the region's replica of the secret with the login.
    """

    cluster: str
    secret: str


def actions(
    region: str,
    account: str,
    bucket: str,
    cluster: str,
    database: DatabaseRecord | None = None,
    fleets: Sequence[str] = (),
    restored: Restored | None = None,
) -> Mapping[str, tuple[str, ...]]:
    """Return the actions of an operation by the resource that they are simulated with. Pure.

    Args:
        region: The recovery region.
        account: The AWS account's twelve digits.
        bucket: The control bucket.
        cluster: Name of the cluster; "" if there is none.
        database: The recovery region's part of the global database; None without one.
        fleets: Names of the Auto Scaling groups of worker fleets.
        restored: What a failover restores; None where the region has a replica, or no database.
    """
    eks = f"arn:aws:eks:{region}:{account}"
    found: dict[str, tuple[str, ...]] = {
        f"arn:aws:s3:::{bucket}": ("s3:ListBucket",),
        f"arn:aws:s3:::{bucket}/{incident_state.KEY}": ("s3:GetObject", "s3:PutObject"),
        "*": ("cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "autoscaling:DescribeAutoScalingGroups"),
    }
    if cluster:
        found[f"{eks}:cluster/{cluster}"] = ("eks:DescribeCluster", "eks:ListNodegroups")
        found[f"{eks}:nodegroup/{cluster}/gpu/1"] = ("eks:DescribeNodegroup", "eks:UpdateNodegroupConfig")
    promoted = database.cluster if database else ""
    if name := promoted or (restored.cluster if restored else ""):
        found["*"] += ("rds:DescribeGlobalClusters", "rds:DescribeDBClusters", "rds:DescribeDBInstances")
        found[f"arn:aws:rds:{region}:{account}:db:{incident_instance_name(name)}"] = (
            *("rds:CreateDBInstance", "rds:DeleteDBInstance", "rds:AddTagsToResource"),
        )
    if database and promoted:
        found[database.arn] = ("rds:FailoverGlobalCluster", "rds:SwitchoverGlobalCluster")
    elif restored:
        found["*"] += ("rds:DescribeDBClusterSnapshots",)
        found[f"arn:aws:rds:{region}:{account}:cluster:{restored.cluster}"] = RESTORE
        found[restored.secret] = ("secretsmanager:GetSecretValue",)
    for fleet in fleets:
        group = f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:id:autoScalingGroupName/{fleet}"
        found[group] = ("autoscaling:UpdateAutoScalingGroup",)
    return found


def _restored(scene: Scene) -> Restored | None:
    home = scene.primary.database
    if home is None or not is_restored(scene):
        return None
    # A replica has the ARN of the secret, with its own region (Secrets Manager user guide, "Replicate secrets").
    secret = home.secret_arn.replace(f":{scene.home}:", f":{scene.region}:")
    return Restored(restored_cluster_name(scene.topology.bucket_prefix), secret)


def permissions(inspected: Inspected) -> Iterator[Finding]:
    """Simulate the permissions of an operation with the policies of the credentials.

    IAM is a global control plane in us-east-1. While it does not answer, the permissions are unknown.
    """
    scene, name, objective = inspected.scene, "permissions in AWS", "all that an operation calls"
    with calls("the caller", inspected.region):
        principal = principal_of(client("sts", inspected.region).get_caller_identity()["Arn"])
    if principal.endswith(":root"):
        yield Finding(name, Status.MET, "the root user of the account has all", "", objective)
        return
    bucket = scene.topology.bucket(CONTROL, Role.RECOVERY)
    wanted = actions(
        inspected.region,
        scene.recovery.account,
        bucket,
        scene.recovery.cluster.name if scene.recovery.cluster else "",
        scene.recovery.database,
        [group_name(scene.topology.bucket_prefix, fleet.name) for fleet in scene.topology.fleets],
        _restored(scene),
    )

    def simulate(resource: str) -> list[str]:
        with calls(f"policies of {principal}", GLOBAL_REGION):
            answer = client("iam", GLOBAL_REGION).simulate_principal_policy(
                PolicySourceArn=principal,
                ActionNames=list(wanted[resource]),
                ResourceArns=[resource],
                ContextEntries=[
                    {
                        "ContextKeyName": "aws:RequestedRegion",
                        "ContextKeyType": "string",
                        "ContextKeyValues": [inspected.region],
                    }
                ],
            )
        return [each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"]

    start, subject = inspected.lookups.start, f"policies of {principal}"
    waiting = [start(subject, IAM, partial(simulate, resource)) for resource in wanted]
    try:
        denied = [action for pending in waiting for action in pending.result(PRIMARY_BY)]
    except DrError as error:
        fact = f"not simulated: {error.problems[0].fact}"
        hint = "IAM has to answer, and to allow iam:SimulatePrincipalPolicy; the other checks need neither"
        yield Finding(name, Status.UNKNOWN, fact, hint, objective)
        return
    count = sum(map(len, wanted.values()))
    yield judge_permissions(name, objective, denied, f"{count} actions are allowed to {principal}", principal)


def cluster_permissions(inspected: Inspected) -> Iterable[Finding]:
    """Check what the credentials may do in the recovery region's cluster."""
    scene, name = inspected.scene, f"permissions in the cluster in {inspected.region}"
    if scene.recovery.cluster is None:
        return [Finding(name, Status.INFO, f"tier {scene.tier} has no cluster")]

    objective = "all that an operation does in it"
    try:
        wanted = IN_CLUSTER + (WITH_REGISTRY if scene.topology.registry else ())
        lacking = _denied(scene.cluster, wanted)
    except Denied as error:
        return [Finding(name, Status.MISSED, error.problems[0].fact, error.problems[0].remedy, objective)]
    met = f"{len(wanted)} actions are allowed"
    return [judge_permissions(name, objective, lacking, met, "the role in dr:operatorRoles")]


def _denied(cluster: ClusterApi, wanted: Iterable[tuple[str, str, str, str, str]]) -> list[str]:
    return [
        _action(verb, resource, subresource, namespace)
        for verb, group, resource, subresource, namespace in wanted
        if not cluster.allows(verb, group, resource, namespace, subresource)
    ]


def _action(verb: str, resource: str, subresource: str, namespace: str) -> str:
    what = f"{resource}/{subresource}" if subresource else resource
    return f"{verb} {what} in {namespace}" if namespace else f"{verb} {what}"


def judge_permissions(name: str, objective: str, denied: Sequence[str], met: str, principal: str) -> Finding:
    """Judge the actions that are denied. Pure.

    Args:
        name: Name of the finding.
        objective: Its objective.
        denied: The actions.
        met: The fact if none is denied.
        principal: The principal that needs them.
    """
    if denied:
        return Finding(name, Status.MISSED, f"denied: {', '.join(denied)}", f"allow them to {principal}", objective)
    return Finding(name, Status.MET, met, "", objective)


def certificate(inspected: Inspected) -> Iterator[Finding]:
    """Check the certificate of the recovery region's endpoint."""
    topology, name = inspected.scene.topology, f"certificate in {inspected.region}"
    if topology.recovery.endpoint:
        yield Finding(name, Status.INFO, f"that of {topology.recovery.endpoint}, which this project does not manage")
        return
    public = inspected.scene.recovery.dns.public_name
    with calls(f"certificate of {public}", inspected.region):
        acm = client("acm", inspected.region)
        pages = acm.get_paginator("list_certificates").paginate()
        arns = [
            each["CertificateArn"]
            for page in pages
            for each in page["CertificateSummaryList"]
            if public in (each["DomainName"], *each.get("SubjectAlternativeNameSummaries", ()))
        ]
        found = [acm.describe_certificate(CertificateArn=arn)["Certificate"] for arn in arns]
    yield judge_certificates(name, public, found, datetime.now(UTC))


def judge_certificates(name: str, public: str, found: Sequence[Mapping[str, Any]], now: datetime) -> Finding:
    """Judge the certificates of a name: one has to be issued and to last. Pure.

    Args:
        name: Name of the finding.
        public: The public name.
        found: Certificates of that name, as ACM describes them.
        now: The time.
    """
    objective = f"issued for {public}, for at least {SHORTEST_CERTIFICATE.days} days"
    issued = [each["NotAfter"] for each in found if each["Status"] == "ISSUED"]
    if not issued:
        states = ", ".join(sorted({each["Status"] for each in found}))
        fact = f"not issued: {states}" if states else "there is none"
        return Finding(name, Status.MISSED, fact, "`pulumi up` of both stacks; `dr preflight` shows why", objective)
    days = (max(issued) - now).days
    fact = f"issued, {days} days left"
    if max(issued) - now < SHORTEST_CERTIFICATE:
        hint = "ACM could not renew it: its validation record has to be in the hosted zone"
        return Finding(name, Status.MISSED, fact, hint, objective)
    return Finding(name, Status.MET, fact, "", objective)


def writes(inspected: Inspected) -> Iterator[Finding]:
    """Check that the control bucket takes conditional writes, as journal, lease and incident state need them."""
    scene, name = inspected.scene, "journal and lease"
    bucket, objective = scene.topology.bucket(CONTROL, Role.RECOVERY), "a conditional write"
    source, s3 = f"s3://{bucket}/{PROBE_KEY}", client("s3", inspected.region)
    began = time.monotonic()
    try:
        with calls(source, inspected.region):
            condition = {"IfMatch": s3.head_object(Bucket=bucket, Key=PROBE_KEY)["ETag"]}
    except Missing:
        condition = {"IfNoneMatch": "*"}
    try:
        with calls(source, inspected.region):
            body = f'{{"written": "{datetime.now(UTC).isoformat()}"}}'.encode()
            s3.put_object(Bucket=bucket, Key=PROBE_KEY, Body=body, ContentType="application/json", **condition)
    except Conflict:
        yield Finding(name, Status.MET, "refused, as another check wrote at the same time", "", objective)
        return
    except Unreachable:
        raise
    except Failed as error:
        hint = "no run could be recorded, so none would start: allow s3:PutObject and the use of the bucket's key"
        yield Finding(name, Status.MISSED, f"{source}: {error.problems[0].fact}", hint, objective)
        return
    yield Finding(name, Status.MET, f"written in {1000 * (time.monotonic() - began):.0f} ms", "", objective)
