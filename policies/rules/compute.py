"""Rules on networks, clusters and node groups."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, Stack, must_be, must_be_set, shown

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
CONTROL_PLANE_LOGS = ("api", "audit", "authenticator")


def has_flow_log(vpc: Resource, stack: Stack) -> Facts:
    """Check that a flow log of the stack records this VPC."""
    logs = [each for each in stack if each.type == "aws:ec2/flowLog:FlowLog"]
    if not any(log.names("vpcId", vpc, "id") for log in logs):
        yield "the VPC has no FlowLog"


def logs_control_plane(cluster: Resource) -> Facts:
    """Check that the control plane's audit logs are enabled."""
    enabled = cluster.look("enabledClusterLogTypes")
    missing = [] if enabled is UNKNOWN else [each for each in CONTROL_PLANE_LOGS if each not in (enabled or [])]
    if missing and UNKNOWN not in (enabled or []):
        yield f"enabledClusterLogTypes lacks {', '.join(missing)}"


def encrypts_secrets(cluster: Resource) -> Facts:
    """Check that a KMS key encrypts Kubernetes secrets."""
    yield from must_be_set("encryptionConfig.provider.keyArn")(cluster)
    resources = cluster.look("encryptionConfig.resources")
    if resources is not UNKNOWN and resources and "secrets" not in resources:
        yield f'encryptionConfig.resources is {shown(resources)}, without "secrets"'


def spans_zones(group: Resource, stack: Stack) -> Facts:
    """Check that the node groups of a pool have at least two subnets and, as far as known, in at least two zones.

    A pool is the groups with the same label `pool`; a group without that label is a pool of its own. A violation is
    reported for the first group of the pool.
    """
    pool = group.look("labels.pool")
    groups = [each for each in stack if each.type == NODE_GROUP and each.look("labels.pool") in (pool, UNKNOWN)]
    if pool is None:
        groups = [group]
    if pool is UNKNOWN or groups[0].urn != group.urn:
        return
    subnets = [each.look("subnetIds") for each in groups]
    ids = [id for part in subnets if part is not UNKNOWN for id in part or []]
    named = f"the node groups of pool {shown(pool)}" if len(groups) > 1 else "the node group"
    if UNKNOWN not in (*subnets, *ids) and len(set(ids)) < 2:
        yield f"subnetIds of {named} has {len(set(ids))} subnets, fewer than 2"
        return
    urns = {urn for each in groups for urn in each.references.get("subnetIds", ())}
    used = [each for each in stack if each.type == "aws:ec2/subnet:Subnet" and each.urn in urns]
    zones = {each.look("availabilityZone") for each in used}
    if len(zones) == 1 and UNKNOWN not in zones:
        yield f"all subnets of {named} are in {zones.pop()}"


RULES = (
    Rule(
        name="ec2-vpc-flow-logs",
        requirement="A VPC must have flow logs.",
        reason="after an incident they are the only record of network traffic",
        remedy="add a FlowLog with the VPC's ID",
        types=("aws:ec2/vpc:Vpc",),
        check_in_stack=has_flow_log,
    ),
    Rule(
        name="ec2-launch-template-imdsv2",
        requirement="A launch template must require IMDSv2.",
        reason="without it, one forged request from a pod reads the node's credentials",
        remedy="set metadataOptions.httpTokens to required",
        types=("aws:ec2/launchTemplate:LaunchTemplate",),
        check=must_be("metadataOptions.httpTokens", "required"),
    ),
    Rule(
        name="eks-cluster-logging",
        requirement=f"An EKS cluster must log {', '.join(CONTROL_PLANE_LOGS)}.",
        reason="changes made during a failover must be traceable afterwards",
        remedy="add them to enabledClusterLogTypes",
        types=("aws:eks/cluster:Cluster",),
        check=logs_control_plane,
    ),
    Rule(
        name="eks-cluster-secrets-encrypted",
        requirement="An EKS cluster must encrypt secrets with a KMS key.",
        reason="otherwise they are readable in the cluster's storage and its backups",
        remedy='set encryptionConfig to a key of the region, with resources ["secrets"]',
        types=("aws:eks/cluster:Cluster",),
        check=encrypts_secrets,
    ),
    Rule(
        name="eks-node-group-two-zones",
        requirement="The node groups of a pool must span at least two zones.",
        reason="the loss of one zone must not interrupt the service",
        remedy="set subnetIds to subnets of at least two zones, in one group or in a group for each zone",
        types=(NODE_GROUP,),
        check_in_stack=spans_zones,
    ),
)
