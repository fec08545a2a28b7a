"""Rules on networks, clusters and node groups."""

from __future__ import annotations

from .model import UNKNOWN, Facts, Resource, Rule, Stack, all_of, items, look, must_be, must_be_set, shown

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


def encrypts_volumes(template: Resource) -> Facts:
    """Check that the template encrypts each volume that it describes."""
    for mapping in items(template.look("blockDeviceMappings")):
        encrypted = look(mapping, "ebs.encrypted")
        if look(mapping, "ebs") is not None and encrypted is not UNKNOWN and str(encrypted).lower() != "true":
            yield f"volume {shown(look(mapping, 'deviceName'))} has encrypted {shown(encrypted)}"


def has_no_public_address(template: Resource) -> Facts:
    """Check that no network interface of the template asks for a public address."""
    for interface in items(template.look("networkInterfaces")):
        public = look(interface, "associatePublicIpAddress")
        if public is not UNKNOWN and str(public).lower() == "true":
            yield f"associatePublicIpAddress is {shown(public)}"


def spans_two_subnets(group: Resource) -> Facts:
    """Check that an Auto Scaling group has subnets of at least two zones."""
    subnets = group.look("vpcZoneIdentifiers")
    if subnets is not UNKNOWN and UNKNOWN not in (subnets or []) and len(set(subnets or [])) < 2:
        yield f"vpcZoneIdentifiers has {len(set(subnets or []))} subnets, fewer than 2"


LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
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
        types=(LAUNCH_TEMPLATE,),
        check=must_be("metadataOptions.httpTokens", "required"),
    ),
    Rule(
        name="ec2-launch-template-volumes-encrypted",
        requirement="A launch template must encrypt its volumes.",
        reason="volumes and their snapshots hold models and data",
        remedy='set ebs.encrypted to "true", and ebs.kmsKeyId to a key of the region',
        types=(LAUNCH_TEMPLATE,),
        check=encrypts_volumes,
    ),
    Rule(
        name="ec2-launch-template-no-public-address",
        requirement="A launch template must not ask for a public address.",
        reason="instances call out through NAT gateways, and operators use Systems Manager",
        remedy='set associatePublicIpAddress to "false"',
        types=(LAUNCH_TEMPLATE,),
        check=has_no_public_address,
    ),
    Rule(
        name="ec2-image-copy-encrypted",
        requirement="A copy of a machine image must be encrypted with a KMS key of its region.",
        reason="a copy without a key of its own cannot be read where the source's key is lost",
        remedy="set encrypted to true, and kmsKeyId to a key of the copy's region",
        types=("aws:ec2/amiCopy:AmiCopy",),
        check=all_of(must_be("encrypted", True), must_be_set("kmsKeyId")),
    ),
    Rule(
        name="ec2-group-two-zones",
        requirement="An Auto Scaling group must span at least two zones.",
        reason="the loss of one zone must not end all instances",
        remedy="set vpcZoneIdentifiers to subnets of at least two zones",
        types=("aws:autoscaling/group:Group",),
        check=spans_two_subnets,
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
