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
    """Check that a node group has at least two subnets and, as far as the stack creates them, in at least two zones."""
    subnets = group.look("subnetIds")
    if subnets is not UNKNOWN and len(subnets or []) < 2:
        yield f"subnetIds has {len(subnets or [])} subnets, fewer than 2"
        return
    urns = group.references.get("subnetIds", ())
    used = [each for each in stack if each.type == "aws:ec2/subnet:Subnet" and each.urn in urns]
    zones = {each.look("availabilityZone") for each in used}
    if len(zones) == 1 and UNKNOWN not in zones:
        yield f"all subnets of the node group are in {zones.pop()}"


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
        requirement="A node group must span at least two zones.",
        reason="the loss of one zone must not interrupt the service",
        remedy="set subnetIds to subnets of at least two zones",
        types=(NODE_GROUP,),
        check_in_stack=spans_zones,
    ),
)
