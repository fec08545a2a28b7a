"""Rules on every resource: tags, and where a stack may make what."""

from __future__ import annotations

from .model import PROJECT, UNKNOWN, Facts, Resource, Rule, Stack, home_of, role_of, shown

ROLES = ("primary", "recovery")

STATEFUL = (
    "aws:s3/bucket:Bucket",
    "aws:ebs/volume:Volume",
    "aws:rds/cluster:Cluster",
    "aws:rds/instance:Instance",
    "aws:efs/fileSystem:FileSystem",
    "aws:fsx/lustreFileSystem:LustreFileSystem",
    "aws:dynamodb/table:Table",
)
"""What holds data that a backup plan can select."""

TAGGED = (
    *STATEFUL,
    "aws:acm/certificate:Certificate",
    "aws:autoscaling/group:Group",
    "aws:backup/plan:Plan",
    "aws:backup/vault:Vault",
    "aws:cloudwatch/compositeAlarm:CompositeAlarm",
    "aws:cloudwatch/eventRule:EventRule",
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:cloudwatch/metricAlarm:MetricAlarm",
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
    "aws:rds/globalCluster:GlobalCluster",
    "aws:route53/healthCheck:HealthCheck",
    "aws:route53/zone:Zone",
    "aws:sns/topic:Topic",
    "aws:sqs/queue:Queue",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
)
"""What can carry tags. Not S3 objects: the contract is a document, written anew with every change."""


def tagged(resource: Resource) -> Facts:
    """Project, workload and role are there; tags of a person's own may stand beside them."""
    wanted = {"project": (PROJECT,), "role": ROLES, "workload": ()}
    for tag, values in wanted.items():
        value = resource.look(f"tags.{tag}")
        if value is not UNKNOWN and (not value or (values and value not in values)):
            yield f"tag {tag} is {shown(value)}" + (f", not {' or '.join(values)}" if values else "")


def tagged_for_backup(resource: Resource) -> Facts:
    """Backup plans select by this tag."""
    value = resource.look("tags.backup")
    if value not in ("enabled", UNKNOWN):
        yield f'tag backup is {shown(value)}, not "enabled"'


def at_home(resource: Resource, stack: Stack) -> Facts:
    """Everything in the recovery stack is in the recovery region."""
    home, region = home_of(stack), resource.region
    if role_of(stack) == "recovery" and UNKNOWN not in (home, region) and region != home:
        yield f"it is in {shown(region)}, and the recovery stack is in {home}"


RULES = (
    Rule(
        name="tags-required",
        says="Every resource that can carry tags must say its project, workload and role.",
        why="on the day of a disaster they tell whose a resource is, and which half",
        remedy="give it the tags of components/tagging.py",
        types=TAGGED,
        check=tagged,
    ),
    Rule(
        name="tags-backup-enabled",
        says="What holds data must have the tag backup=enabled.",
        why="backup plans select by it, and what they do not select is not backed up",
        remedy="add BACKUP_TAG of components/tagging.py",
        types=STATEFUL,
        check=tagged_for_backup,
    ),
    Rule(
        name="stack-recovery-in-recovery-region",
        says="The recovery stack must have nothing in another region than its own.",
        why="it has to be deployed while the primary region is dead",
        remedy="set the resource's region to the recovery region, or make it in the primary stack",
        types=("aws:",),
        check_in_stack=at_home,
    ),
)
