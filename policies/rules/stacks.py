"""Rules on all resources of a stack: tags and region."""

from __future__ import annotations

from .backup import STATEFUL
from .model import PROJECT, UNKNOWN, Facts, Resource, Rule, Stack, home_of, items, look, role_of, shown

ROLES = ("primary", "recovery")

TAGGED = (
    *STATEFUL,
    "aws:acm/certificate:Certificate",
    "aws:autoscaling/group:Group",
    "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault",
    "aws:backup/plan:Plan",
    "aws:backup/restoreTestingPlan:RestoreTestingPlan",
    "aws:backup/vault:Vault",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    "aws:codebuild/project:Project",
    "aws:ec2/amiCopy:AmiCopy",
    "aws:ec2/capacityReservation:CapacityReservation",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "aws:ec2/eip:Eip",
    "aws:ec2/flowLog:FlowLog",
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/launchTemplate:LaunchTemplate",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/routeTable:RouteTable",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/subnet:Subnet",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ecr/repository:Repository",
    "aws:eks/accessEntry:AccessEntry",
    "aws:eks/addon:Addon",
    "aws:eks/cluster:Cluster",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation",
    "aws:iam/instanceProfile:InstanceProfile",
    "aws:iam/policy:Policy",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lambda/function:Function",
    "aws:lb/listener:Listener",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:lb/targetGroup:TargetGroup",
    "aws:rds/clusterInstance:ClusterInstance",
    "aws:rds/globalCluster:GlobalCluster",
    "aws:rds/subnetGroup:SubnetGroup",
    "aws:route53/healthCheck:HealthCheck",
    "aws:route53/zone:Zone",
    "aws:secretsmanager/secret:Secret",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)
"""Types with tags. S3 objects are excluded: the contract object is replaced with every change."""


def tagged(resource: Resource) -> Facts:
    """Check the tags project, workload and role; further tags are allowed."""
    required = {"project": (PROJECT,), "role": ROLES, "workload": ()}
    tags = resource.look("tags")
    if isinstance(tags, (list, tuple)):
        # An Auto Scaling group has a list of tags.
        tags = {each.get("key"): each.get("value") for each in items(tags)}
    for tag, values in required.items():
        value = look({"tags": tags}, f"tags.{tag}")
        if value is not UNKNOWN and (not value or (values and value not in values)):
            yield f"tag {tag} is {shown(value)}" + (f", not {' or '.join(values)}" if values else "")


def tagged_for_backup(resource: Resource) -> Facts:
    """Check the tag by which backup plans select resources."""
    value = resource.look("tags.backup")
    if value not in ("enabled", "replica", UNKNOWN):
        yield f'tag backup is {shown(value)}, not "enabled" or, on a replica, "replica"'


def in_own_region(resource: Resource, stack: Stack) -> Facts:
    """Check that every resource of the recovery stack is in the recovery region."""
    home, region = home_of(stack), resource.region
    if role_of(stack) == "recovery" and UNKNOWN not in (home, region) and region != home:
        yield f"the resource is in {shown(region)}, but the recovery stack is in {home}"


RULES = (
    Rule(
        name="tags-required",
        requirement="Every resource that accepts tags must have the tags project, workload and role.",
        reason="during an incident they identify a resource's workload and region role",
        remedy="set the tags of components/tagging.py",
        types=TAGGED,
        check=tagged,
    ),
    Rule(
        name="tags-backup-enabled",
        requirement="A resource that holds data must have the tag backup=enabled; a replica, backup=replica.",
        reason="backup plans select resources by this tag",
        remedy="add BACKUP_TAG or REPLICA_TAG of components/tagging.py",
        types=STATEFUL,
        check=tagged_for_backup,
    ),
    Rule(
        name="stack-recovery-in-recovery-region",
        requirement="The recovery stack must create resources only in its own region.",
        reason="it must be deployable while the primary region is unavailable",
        remedy="set the resource's region to the recovery region, or create it in the primary stack",
        types=("aws:",),
        check_in_stack=in_own_region,
    ),
)
