"""Rules on networks, clusters and nodes."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, Stack, must_be, must_be_set, shown

NODE_GROUP = "aws:eks/nodeGroup:NodeGroup"
CONTROL_PLANE_LOGS = ("api", "audit", "authenticator")


def flow_logged(vpc: Resource, stack: Stack) -> Facts:
    """A flow log of the stack is made of this VPC."""
    logs = [each for each in stack if each.type == "aws:ec2/flowLog:FlowLog"]
    if not any(log.names("vpcId", vpc, "id") for log in logs):
        yield "the VPC has no FlowLog"


def logs_control_plane(cluster: Resource) -> Facts:
    """Who did what to the cluster is written down."""
    enabled = cluster.look("enabledClusterLogTypes")
    missing = [] if enabled is UNKNOWN else [each for each in CONTROL_PLANE_LOGS if each not in (enabled or [])]
    if missing and UNKNOWN not in (enabled or []):
        yield f"enabledClusterLogTypes lacks {', '.join(missing)}"


def encrypts_secrets(cluster: Resource) -> Facts:
    """A key of ours is named, for secrets."""
    yield from must_be_set("encryptionConfig.provider.keyArn")(cluster)
    resources = cluster.look("encryptionConfig.resources")
    if resources is not UNKNOWN and resources and "secrets" not in resources:
        yield f'encryptionConfig.resources is {shown(resources)}, without "secrets"'


def spans_zones(group: Resource, stack: Stack) -> Facts:
    """Two subnets or more, and as far as the stack makes them, in two zones or more."""
    subnets = group.look("subnetIds")
    if subnets is not UNKNOWN and len(subnets or []) < 2:
        yield f"the node group has {len(subnets or [])} subnets"
        return
    named = group.references.get("subnetIds", ())
    used = [each for each in stack if each.type == "aws:ec2/subnet:Subnet" and each.urn in named]
    zones = {each.look("availabilityZone") for each in used}
    if len(zones) == 1 and UNKNOWN not in zones:
        yield f"all subnets of the node group are in {zones.pop()}"


RULES = (
    Rule(
        name="ec2-vpc-flow-logs",
        says="A VPC must have flow logs.",
        why="after an incident they are the only record of what could reach what",
        remedy="add a FlowLog with the VPC's id",
        types=("aws:ec2/vpc:Vpc",),
        check_in_stack=flow_logged,
    ),
    Rule(
        name="ec2-launch-template-imdsv2",
        says="A launch template must require IMDSv2.",
        why="without it one forged request from a pod reads the node's credentials",
        remedy="set metadataOptions.httpTokens to required",
        types=("aws:ec2/launchTemplate:LaunchTemplate",),
        check=must_be("metadataOptions.httpTokens", "required"),
    ),
    Rule(
        name="eks-cluster-logging",
        says=f"An EKS cluster must log {', '.join(CONTROL_PLANE_LOGS)}.",
        why="a failover done by hand has to be read afterwards",
        remedy="add them to enabledClusterLogTypes",
        types=("aws:eks/cluster:Cluster",),
        check=logs_control_plane,
    ),
    Rule(
        name="eks-cluster-secrets-encrypted",
        says="An EKS cluster must encrypt secrets with a KMS key.",
        why="they are otherwise as readable as the cluster's storage and its copies",
        remedy='set encryptionConfig to a key of the region, with resources ["secrets"]',
        types=("aws:eks/cluster:Cluster",),
        check=encrypts_secrets,
    ),
    Rule(
        name="eks-node-group-two-zones",
        says="A node group must span two zones or more.",
        why="the loss of one zone must not be the loss of the service",
        remedy="give subnetIds of two zones or more",
        types=(NODE_GROUP,),
        check_in_stack=spans_zones,
    ),
)
