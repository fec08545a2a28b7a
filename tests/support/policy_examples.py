"""One example of every rule: a compliant stack, and violations in one field each, with the reported fact."""

from __future__ import annotations

import json
from dataclasses import replace

from components.iam import keep_recovery_points
from tests.support.policies import NOT_KNOWN, REMOVED, TAGS, Given, provider
from tests.support.policy_examples_storage import BUCKET, EAST, ONE, STORAGE, WEST, Example
from tests.support.policy_examples_workloads import WORKLOADS


def allows(**changes: object) -> dict[str, str]:
    statement = {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{ONE}/*"}
    return {"policy": json.dumps({"Statement": [{**statement, **changes}]})}


def of_kind(token: str, **props: object) -> Given:
    return Given(token, "it", props)


RECORD = of_kind(
    "aws:route53/record:Record",
    name="inference.example.com",
    ttl=60.0,
    weightedRoutingPolicies=[{"weight": 100.0}],
    healthCheckId=NOT_KNOWN,
)
LEVER_CHECK = of_kind(
    "aws:route53/healthCheck:HealthCheck", type="CLOUDWATCH_METRIC", cloudwatchAlarmRegion=WEST, tags=TAGS
)
ALARM = of_kind(
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    namespace="DisasterRecovery",
    metricName="ReplicaAge",
    alarmActions=[NOT_KNOWN],
    region=WEST,
    tags=TAGS,
)
CLUSTER = of_kind(
    "aws:eks/cluster:Cluster",
    enabledClusterLogTypes=["api", "audit", "authenticator"],
    encryptionConfig={"provider": {"keyArn": NOT_KNOWN}, "resources": ["secrets"]},
)
ROLE_POLICY = of_kind("aws:iam/rolePolicy:RolePolicy", **allows())
DATABASE = of_kind(
    "aws:rds/cluster:Cluster",
    storageEncrypted=True,
    kmsKeyId=NOT_KNOWN,
    masterUsername="mlflow",
    deletionProtection=True,
    backupRetentionPeriod=7.0,
)
KEPT = {"lifecycle": {"deleteAfter": 35.0}}
VAULT = "arn:aws:backup:us-west-2:123456789012:backup-vault:ml-dr"
PLAN = of_kind(
    "aws:backup/plan:Plan",
    region=EAST,
    tags=TAGS,
    rules=[{"ruleName": "daily", **KEPT, "copyActions": [{"destinationVaultArn": VAULT, **KEPT}]}],
)
SELECTION = Given(
    "aws:backup/selection:Selection",
    "selection",
    {
        "resources": ["arn:aws:dynamodb:*:*:table/*"],
        "conditions": [{"stringEquals": [{"key": "aws:ResourceTag/backup", "value": "enabled"}]}],
    },
)
UNCOVERED = "no backup selection of the stack names Table with the tag backup=enabled"
VAULT_POLICY = Given(
    "aws:backup/vaultPolicy:VaultPolicy", "policy", {"backupVaultName": "ml-dr", "policy": keep_recovery_points([])}
)
SUBNETS = tuple(
    Given("aws:ec2/subnet:Subnet", f"subnet-{zone}", {"availabilityZone": f"us-east-1{zone}"}) for zone in "ab"
)
NODES = Given(
    "aws:eks/nodeGroup:NodeGroup",
    "it",
    {"subnetIds": [NOT_KNOWN, NOT_KNOWN]},
    {"subnetIds": ["subnet-a", "subnet-b"]},
)
ZONE_NODES = tuple(
    Given(
        "aws:eks/nodeGroup:NodeGroup",
        f"nodes-{zone}",
        {"subnetIds": [f"id-{zone}"], "labels": {"pool": "gpu"}},
        {"subnetIds": [f"subnet-{zone}"]},
    )
    for zone in "ab"
)
FLOW_LOG = Given("aws:ec2/flowLog:FlowLog", "log", {"vpcId": "vpc-1"})
OF_RECOVERY = of_kind("aws:cloudwatch/logGroup:LogGroup", region=WEST, tags={**TAGS, "role": "recovery"})

EXAMPLES = (
    *STORAGE,
    Example(
        "kms-key-rotation-enabled",
        (of_kind("aws:kms/key:Key", enableKeyRotation=True),),
        (
            ("it", "enableKeyRotation", False, "enableKeyRotation is false, not true"),
            ("it", "enableKeyRotation", REMOVED, "enableKeyRotation is not set, not true"),
        ),
    ),
    Example(
        "route53-record-health-check",
        (RECORD,),
        (
            (
                "it",
                "healthCheckId",
                REMOVED,
                '"inference.example.com" is a weighted or failover record without healthCheckId',
            ),
        ),
    ),
    Example("route53-record-short-ttl", (RECORD,), (("it", "ttl", 300.0, "ttl is 300 s, more than 60 s"),)),
    Example(
        "route53-check-alarm-in-recovery-region",
        (LEVER_CHECK, provider()),
        (
            (
                "it",
                "cloudwatchAlarmRegion",
                EAST,
                'the health check of the primary stack, in us-east-1, uses an alarm in "us-east-1"',
            ),
        ),
    ),
    Example(
        "cloudwatch-alarm-outside-primary-region",
        (ALARM, provider()),
        (("it", "region", EAST, "an alarm on DisasterRecovery is in us-east-1, the primary region"),),
    ),
    Example("cloudwatch-alarm-has-action", (ALARM,), (("it", "alarmActions", [], "alarmActions is empty"),)),
    Example(
        "iam-policy-no-wildcard-action",
        (ROLE_POLICY,),
        (
            ("it", "policy", allows(Action=["s3:Get*"])["policy"], 'statement Read has Action "s3:Get*"'),
            ("it", "policy", allows(NotAction="iam:*")["policy"], "statement Read allows with NotAction"),
        ),
    ),
    Example(
        "iam-policy-no-wildcard-resource",
        (ROLE_POLICY,),
        tuple(
            ("it", "policy", allows(Resource=[value])["policy"], f'statement Read has Resource "{value}"')
            for value in ("*", "arn:aws:s3:::*", "arn:aws:s3:::data-*/x", "arn:aws:kms:us-east-1:123456789012:key/*")
        ),
    ),
    Example(
        "tags-required",
        (BUCKET,),
        (
            (ONE, "tags.workload", REMOVED, "tag workload is not set"),
            (ONE, "tags.project", "other", 'tag project is "other", not ml-dr'),
            (ONE, "tags.role", "dr", 'tag role is "dr", not primary or recovery'),
        ),
    ),
    Example(
        "tags-backup-enabled",
        (BUCKET,),
        (
            (ONE, "tags.backup", REMOVED, 'tag backup is not set, not "enabled" or, on a replica, "replica"'),
            (ONE, "tags.backup", "disabled", 'tag backup is "disabled", not "enabled" or, on a replica, "replica"'),
        ),
    ),
    Example(
        "stack-recovery-in-recovery-region",
        (OF_RECOVERY, provider(WEST)),
        (("it", "region", EAST, 'the resource is in "us-east-1", but the recovery stack is in us-west-2'),),
    ),
    Example(
        "ec2-vpc-flow-logs",
        (of_kind("aws:ec2/vpc:Vpc", id="vpc-1"), FLOW_LOG),
        (("log", "vpcId", "vpc-2", "the VPC has no FlowLog"),),
    ),
    Example(
        "ec2-launch-template-imdsv2",
        (of_kind("aws:ec2/launchTemplate:LaunchTemplate", metadataOptions={"httpTokens": "required"}),),
        (
            (
                "it",
                "metadataOptions.httpTokens",
                "optional",
                'metadataOptions.httpTokens is "optional", not "required"',
            ),
        ),
    ),
    Example(
        "ec2-launch-template-volumes-encrypted",
        (
            of_kind(
                "aws:ec2/launchTemplate:LaunchTemplate",
                blockDeviceMappings=[{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}],
            ),
        ),
        (
            (
                "it",
                "blockDeviceMappings",
                [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "false"}}],
                'volume "/dev/xvda" has encrypted "false"',
            ),
            (
                "it",
                "blockDeviceMappings",
                [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 8}}],
                'volume "/dev/xvda" has encrypted not set',
            ),
        ),
    ),
    Example(
        "ec2-launch-template-no-public-address",
        (
            of_kind(
                "aws:ec2/launchTemplate:LaunchTemplate",
                networkInterfaces=[{"deviceIndex": 0, "associatePublicIpAddress": "false"}],
            ),
        ),
        (
            (
                "it",
                "networkInterfaces",
                [{"deviceIndex": 0, "associatePublicIpAddress": "true"}],
                'associatePublicIpAddress is "true"',
            ),
        ),
    ),
    Example(
        "ec2-image-copy-encrypted",
        (of_kind("aws:ec2/amiCopy:AmiCopy", encrypted=True, kmsKeyId="arn:aws:kms:us-west-2:123456789012:key/one"),),
        (
            ("it", "encrypted", False, "encrypted is false, not true"),
            ("it", "kmsKeyId", "", "kmsKeyId is not set"),
        ),
    ),
    Example(
        "ec2-group-two-zones",
        (of_kind("aws:autoscaling/group:Group", vpcZoneIdentifiers=["subnet-1", "subnet-2"]),),
        (("it", "vpcZoneIdentifiers", ["subnet-1"], "vpcZoneIdentifiers has 1 subnets, fewer than 2"),),
    ),
    Example(
        "eks-cluster-logging",
        (CLUSTER,),
        (("it", "enabledClusterLogTypes", ["api"], "enabledClusterLogTypes lacks audit, authenticator"),),
    ),
    Example(
        "eks-cluster-secrets-encrypted",
        (CLUSTER,),
        (
            ("it", "encryptionConfig", REMOVED, "encryptionConfig.provider.keyArn is not set"),
            ("it", "encryptionConfig.resources", ["x"], 'encryptionConfig.resources is ["x"], without "secrets"'),
        ),
    ),
    Example(
        "eks-node-group-two-zones",
        (NODES, *ZONE_NODES, *SUBNETS),
        (
            ("it", "subnetIds", ["subnet-1"], "subnetIds of the node group has 1 subnets, fewer than 2"),
            (
                "nodes-b",
                "subnetIds",
                ["id-a"],
                'subnetIds of the node groups of pool "gpu" has 1 subnets, fewer than 2',
            ),
        ),
    ),
    Example(
        "backup-covers-every-resource-with-data",
        (of_kind("aws:dynamodb/table:Table", tags={"backup": "enabled"}), SELECTION),
        (
            ("selection", "resources", ["arn:aws:s3:::*"], UNCOVERED),
            ("selection", "conditions.0.stringEquals.0.value", "replica", UNCOVERED),
            ("selection", "conditions", REMOVED, UNCOVERED),
        ),
    ),
    Example(
        "backup-vault-has-access-policy",
        (of_kind("aws:backup/vault:Vault", name="ml-dr"), VAULT_POLICY),
        (("policy", "backupVaultName", "another", "the vault has no VaultPolicy"),),
    ),
    Example(
        "backup-air-gapped-vault-accepts-copies",
        (
            of_kind(
                "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault",
                name="ml-dr",
                minRetentionDays=7.0,
                maxRetentionDays=35.0,
            ),
            replace(PLAN, name="plan"),
        ),
        (
            (
                "it",
                "maxRetentionDays",
                34.0,
                'rule "daily" keeps its copy for 35 days, and the vault accepts 7 to 34',
            ),
            (
                "plan",
                "rules.0.copyActions.0.lifecycle",
                REMOVED,
                'rule "daily" keeps its copy for ever, and the vault accepts 7 to 35',
            ),
        ),
    ),
    Example(
        "backup-vault-policy-denies-deletion",
        (VAULT_POLICY,),
        (
            (
                "policy",
                "policy",
                keep_recovery_points([]).replace("Delete", "Describe"),
                "policy does not deny backup:DeleteRecoveryPoint to every principal",
            ),
        ),
    ),
    Example(
        "backup-plan-copies-to-another-region",
        (PLAN,),
        (
            ("it", "rules.0.copyActions", [], 'rule "daily" has no copy in a region other than us-east-1'),
            (
                "it",
                "rules.0.copyActions.0.destinationVaultArn",
                VAULT.replace(WEST, EAST),
                'rule "daily" has no copy in a region other than us-east-1',
            ),
        ),
    ),
    Example(
        "backup-plan-retention",
        (PLAN,),
        (
            ("it", "rules.0.lifecycle", REMOVED, 'rule "daily" has no lifecycle.deleteAfter'),
            ("it", "rules.0.copyActions.0.lifecycle", REMOVED, 'a copy of rule "daily" has no lifecycle.deleteAfter'),
        ),
    ),
    Example(
        "backup-selection-names-resource-types",
        (of_kind("aws:backup/selection:Selection", resources=["arn:aws:s3:::*"]),),
        (
            ("it", "resources", REMOVED, "resources is not set"),
            ("it", "resources", ["*"], 'resources is ["*"]'),
        ),
    ),
    Example(
        "database-encrypted-with-key",
        (DATABASE,),
        (
            ("it", "storageEncrypted", REMOVED, "storageEncrypted is not set, not true"),
            ("it", "kmsKeyId", REMOVED, "kmsKeyId is not set"),
        ),
    ),
    Example(
        "database-deletion-protection",
        (DATABASE,),
        (("it", "deletionProtection", False, "deletionProtection is false, not true"),),
    ),
    Example(
        "database-not-public",
        (of_kind("aws:rds/clusterInstance:ClusterInstance", publiclyAccessible=False),),
        (("it", "publiclyAccessible", True, "publiclyAccessible is true, not false"),),
    ),
    Example(
        "database-backups-kept",
        (DATABASE,),
        (("it", "backupRetentionPeriod", 1.0, "backupRetentionPeriod is 1, less than 7"),),
    ),
    *WORKLOADS,
)
