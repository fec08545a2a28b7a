"""The whole program of both stacks in every tier, against a cloud in memory: the resources of a first deployment."""

import json
from typing import Any

import pytest

from components.compute.cluster_iam import POD_ROLES
from components.compute.gpu_inference_cluster import ADDONS
from components.data.backup_plan import RESOURCE_TYPES
from components.iam import WITHOUT_SOURCE
from dr.config.project import read_config
from dr.control import contract
from dr.topology.backups import DataClass
from dr.topology.network import ENDPOINTS
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from policies.rules.backup import STATEFUL, selects
from policies.rules.model import Resource
from tests.support.builders import ACCOUNT, topology
from tests.support.mocks import Cloud
from tests.support.plugin_calls import calls
from tests.support.program import CONTROL, ROOT, first_deployment

CLUSTER = {
    *("cluster", "cluster-system", *(f"cluster-gpu-{zone}" for zone in "abc"), "cluster-from-load-balancer"),
    *(f"cluster-{role.name}" for role in POD_ROLES if role not in ADDONS.values()),
    *(f"cluster-{role.name}-{namespace}" for role in POD_ROLES for namespace in role.further),
    *(f"cluster-{addon}" for addon in ADDONS),
}
"""Resources that a running cluster adds to a stack, except objects in the cluster."""
PLANS = ("backup", "backup-volumes", "backup-files", "backup-databases")
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
WATCHES = ("prober", "republisher", "alarms-", "group-metrics-")
OWN_TESTS = ("network-", "backup-", "cluster", *WATCHES)
HEADLESS = {"database-cluster", "database-network-from-cluster"}
DATABASE_OF = {
    Tier.BACKUP: set(),
    Tier.PILOT: HEADLESS,
    Tier.WARM: HEADLESS | {"database-1"},
    Tier.ACTIVE: HEADLESS | {"database-1", "database-2"},
}
"""Resources of the database in the recovery region that its tier decides."""
DATABASES = DATABASE_OF[Tier.ACTIVE]
GPU_NODES = {
    Tier.BACKUP: [],
    Tier.PILOT: [(0, 0, 5)] * 3,
    Tier.WARM: [(1, 1, 5)] * 3,
    Tier.ACTIVE: [(2, 2, 5)] * 3,
}
"""Minimum, desired and maximum size of each GPU node group."""


def in_aws(cloud: Cloud) -> set[str]:
    """Return the names of AWS resources."""
    return {each.name for each in cloud.resources if each.type.startswith("aws:")}


def test_every_aws_type_of_the_program_is_in_the_list_of_plugin_calls() -> None:
    clouds = [first_deployment("primary"), *(first_deployment("dr", tier=str(tier)) for tier in Tier)]

    used = {each.type for cloud in clouds for each in cloud.resources if each.type.startswith("aws:")}
    assert used <= set(calls())


def whole_program() -> list[Cloud]:
    return [first_deployment("primary"), *(first_deployment("dr", tier=str(tier)) for tier in Tier)]


def test_each_service_that_passes_its_source_is_trusted_for_this_account_only() -> None:
    roles = [each for cloud in whole_program() for each in cloud.resources if each.type == "aws:iam/role:Role"]
    trusts = [(each.name, json.loads(each.inputs["assumeRolePolicy"])["Statement"][0]) for each in roles]
    without = {name: trust["Principal"]["Service"] for name, trust in trusts if "Condition" not in trust}

    limited = [trust["Condition"]["StringEquals"] for _, trust in trusts if "Condition" in trust]
    assert {each["aws:SourceAccount"] for each in limited} == {ACCOUNT}
    assert set(without.values()) <= WITHOUT_SOURCE.keys(), without


def test_every_log_group_is_encrypted_with_the_key_of_its_region() -> None:
    groups = [each for cloud in whole_program() for each in cloud.resources if each.type == LOG_GROUP]

    assert groups
    assert [each.name for each in groups if not each.inputs.get("kmsKeyId")] == []


def weight(cloud: Cloud) -> int:
    (policy,) = cloud.one("Record", "recovery-record")["weightedRoutingPolicies"]
    return int(policy["weight"])


def nat_routes(zones_with_nat: str) -> set[str]:
    gateways = {f"network-nat-{zone}{part}" for zone in zones_with_nat for part in ("", "-address")}
    return gateways | {f"network-private-{zone}-internet" for zone in "abc" if zones_with_nat}


def test_primary_stack_creates_every_bucket_pair() -> None:
    cloud = first_deployment("primary")

    assert len(cloud.of("Bucket")) == 10
    assert len(cloud.of("BucketReplicationConfig")) == 10
    assert len(cloud.of("Key")) == 3
    assert set(cloud.exports["buckets"]) == {"datasets", "models", "registry", "control", "velero"}


def test_the_primary_stack_exports_both_bucket_names_and_the_contract() -> None:
    exports = first_deployment("primary").exports

    assert exports["primary_bucket"] == "ml-dr-123456789012-us-east-1-datasets"
    assert exports["secondary_bucket"] == "ml-dr-123456789012-us-west-2-datasets"
    assert contract.parse(json.dumps(exports["contract"]), "test").role is Role.PRIMARY


def test_the_primary_half_is_written_to_the_primarys_control_bucket() -> None:
    written = first_deployment("primary").one("BucketObjectv2", "contract")

    assert (written["bucket"], written["key"]) == ("ml-dr-123456789012-us-east-1-control", "contract/primary.json")
    assert contract.parse(written["content"], "test").dns.lever == "engage"


def test_configured_delegation_set_is_that_of_the_hosted_zone() -> None:
    assert first_deployment("primary", delegationSet="N0EXAMPLE").one("Zone", "zone")["delegationSetId"] == "N0EXAMPLE"


@pytest.mark.parametrize(("stack", "role"), [("primary", "primary"), ("dr", "recovery")])
def test_load_balancer_and_health_checker_request_the_path_that_needs_the_model(stack: str, role: str) -> None:
    cloud = first_deployment(stack)

    assert cloud.one("TargetGroup", "inference-pods")["healthCheck"]["path"] == "/v2/models/digits/ready"
    assert cloud.one("HealthCheck", f"{role}-endpoint")["resourcePath"] == "/v2/models/digits/ready"


@pytest.mark.parametrize("tier", list(Tier))
def test_the_tier_changes_nothing_in_the_primary_stack(tier: Tier) -> None:
    def inputs(cloud: Cloud) -> dict[tuple[str, str], object]:
        # The archive of a function's code is compared by identity.
        return {
            (each.type, each.name): {key: value for key, value in each.inputs.items() if key != "code"}
            for each in cloud.resources
        }

    assert inputs(first_deployment("primary")) == inputs(first_deployment("primary", tier=str(tier)))


@pytest.mark.parametrize("tier", list(Tier))
def test_tier_changes_only_nat_gateways_backup_plan_cluster_and_record_weight_of_the_dr_stack(tier: Tier) -> None:
    cloud = first_deployment("dr", tier=str(tier))

    names = in_aws(cloud)
    assert {name for name in names if name not in DATABASES and not name.startswith(OWN_TESTS)} == {
        *("recovery-endpoint", "recovery-lever", "recovery-lever-check", "recovery-check"),
        *("recovery-status-healthy", "recovery-status-unhealthy"),
        *("recovery-record", "recovery-regional-record", "contract", "serving", "region", "region-alias"),
        *("inference", "inference-issued", "inference-clients", "inference-from-203.0.113.0/24"),
        *("inference-from-health-checkers", "inference-to-pods"),
        *("inference-pods", "inference-tls", "alerts", "alerts-policy", "watchdog", "watchdog-policy"),
        *("alerts-oncall@example.com", "dead-letters", "database-network-subnets", "database-network-access"),
    }
    backup = in_aws(first_deployment("dr", tier="backup"))
    plan = set() if tier is Tier.BACKUP else {f"{each}-{part}" for each in PLANS for part in ("plan", "selection")}
    cluster = (
        set()
        if tier is Tier.BACKUP
        else CLUSTER
        | {"alarms-alerting-silent", "alarms-database-late"}
        | {
            f"{name}-{zone}"
            for name in ("alarms-nodes-busy", "alarms-nodes-short", "group-metrics-schedule")
            for zone in "abc"
        }
    )
    assert names - backup - DATABASES == plan | cluster | nat_routes(
        {Tier.BACKUP: "", Tier.PILOT: "a"}.get(tier, "abc")
    )
    assert backup <= names
    assert weight(cloud) == (100 if tier is Tier.ACTIVE else 0)
    assert names & DATABASES == DATABASE_OF[tier]
    sizes = [each.inputs["scalingConfig"] for name, each in cloud.of("NodeGroup").items() if "gpu" in name]
    assert [(size["minSize"], size["desiredSize"], size["maxSize"]) for size in sizes] == GPU_NODES[tier]
    assert cloud.exports["tier"] == str(tier)
    assert cloud.one("BucketObjectv2", "contract")["bucket"] == CONTROL


@pytest.mark.parametrize("tier", list(Tier))
def test_recovery_region_is_not_expected_to_serve_before_a_model_set_is_published(tier: Tier) -> None:
    written = first_deployment("dr", tier=str(tier)).one("BucketObjectv2", "serving")

    assert (written["bucket"], written["key"]) == (CONTROL, "control/serving.json")
    assert json.loads(written["content"]) == {"serves": False}


@pytest.mark.parametrize("tier", list(Tier))
def test_dr_stack_has_no_resource_in_the_primary_region(tier: Tier) -> None:
    regions = {each.inputs.get("region") for each in first_deployment("dr", tier=str(tier)).resources}

    assert regions <= {"us-west-2", None}


@pytest.mark.parametrize("protect", [True, False])
def test_cluster_of_the_primary_region_is_protected_against_deletion_as_data_is(protect: bool) -> None:
    primary = first_deployment("primary", protectData=str(protect).lower())

    assert primary.one("Cluster", "cluster")["deletionProtection"] is protect
    assert first_deployment("dr", tier="pilot").one("Cluster", "cluster")["deletionProtection"] is False


def test_each_region_has_a_vault_for_backups_and_one_for_copies_and_keeps_those_that_were_deployed_before() -> None:
    vaults = first_deployment("primary").of("Vault")
    found = {name: (made.inputs["region"], made.inputs["name"], made.protect) for name, made in vaults.items()}

    assert found == {
        "backup-primary-vault": ("us-east-1", "ml-dr-backups", False),
        "backup-primary-copies-vault": ("us-east-1", "ml-dr-copies", True),
        "backup-recovery-vault": ("us-west-2", "ml-dr-backups", True),
        "backup-recovery-local-vault": ("us-west-2", "ml-dr-local", True),
    }
    assert not any(made.inputs["forceDestroy"] for made in vaults.values())


def test_every_vault_is_locked_and_denies_the_deletion_of_recovery_points_to_all() -> None:
    cloud = first_deployment("primary")
    locks, policies = cloud.of("VaultLockConfiguration"), cloud.of("VaultPolicy")

    assert {made.inputs["minRetentionDays"] for made in locks.values()} == {7}
    assert not any("changeableForDays" in made.inputs for made in locks.values())
    assert len(locks) == len(policies) == len(cloud.of("Vault"))
    for made in policies.values():
        (statement,) = json.loads(made.inputs["policy"])["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert "Condition" not in statement


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_failed_backup_jobs_are_reported_to_the_alert_topic_of_the_region_which_admits_eventbridge(stack: str) -> None:
    cloud = first_deployment(stack, tier="backup")
    topic = cloud.one("EventTarget", "backup-jobs-target")["arn"]
    publishers = {
        name: [each["Principal"] for each in json.loads(made.inputs["policy"])["Statement"]]
        for name, made in cloud.of("TopicPolicy").items()
    }
    (key,) = [json.loads(made.inputs["policy"]) for name, made in cloud.of("Key").items() if name == "region"]
    (of_events,) = [each for each in key["Statement"] if each["Principal"] == {"Service": "events.amazonaws.com"}]

    assert topic.endswith(":ml-dr-alerts")
    assert {"Service": "events.amazonaws.com"} in publishers["alerts-policy"]
    assert {"Service": "events.amazonaws.com"} not in publishers["watchdog-policy"]
    assert "Condition" not in of_events


@pytest.mark.parametrize("tier", ["backup", "active"])
def test_copies_are_restored_on_a_schedule_in_the_recovery_region_if_configured(tier: str) -> None:
    cloud = first_deployment("dr", tier=tier, restoreTests="monthly")
    plan = cloud.one("RestoreTestingPlan", "restore-tests-plan")

    assert (plan["name"], plan["region"]) == ("ml_dr_copies", "us-west-2")
    assert plan["recoveryPointSelection"]["includeVaults"] == [
        f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:ml-dr-backups"
    ]
    without = first_deployment("dr", tier=tier)
    assert not without.of("RestoreTestingPlan")
    assert not without.of("Permission")

    variables = cloud.one("Function", "restore-validation")["environment"]["variables"]
    assert variables["PRIMARY_REGION"] == "us-east-1"
    assert variables["TOPIC_ARN"] == cloud.one("EventTarget", "backup-jobs-target")["arn"]
    replicas = json.loads(variables["REPLICAS"])
    assert f"ml-dr-{ACCOUNT}-us-east-1-models" in replicas
    assert not [name for name in replicas if "velero" in name]


def test_break_glass_role_is_the_only_one_that_may_delete_recovery_points() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/break-glass"
    policies = first_deployment("primary", breakGlassRole=role).of("VaultPolicy")
    statements = [json.loads(made.inputs["policy"])["Statement"][0] for made in policies.values()]

    assert [each["Condition"] for each in statements] == [{"ArnNotLike": {"aws:PrincipalArn": [role]}}] * 4


@pytest.mark.parametrize(("lock", "grace"), [("compliance", [7] * 4), ("none", [])])
def test_lock_of_the_vaults_follows_the_configuration(lock: str, grace: list[int]) -> None:
    locks = first_deployment("primary", vaultLock=lock).of("VaultLockConfiguration").values()

    assert [made.inputs["changeableForDays"] for made in locks] == grace


@pytest.mark.parametrize(
    ("stack", "target", "copies"),
    [
        ("primary", "ml-dr-backups", "us-west-2:123456789012:backup-vault:ml-dr-backups"),
        ("dr", "ml-dr-local", "us-east-1:123456789012:backup-vault:ml-dr-copies"),
    ],
)
def test_backups_of_each_region_are_copied_to_the_vault_for_copies_in_the_other(
    stack: str, target: str, copies: str
) -> None:
    plans = first_deployment(stack, tier="pilot").of("Plan")
    rules = [rule for made in plans.values() for rule in made.inputs["rules"]]

    assert len(rules) == len(plans) == len(DataClass)
    assert {rule["schedule"] for rule in rules} == {"cron(0 2/12 * * ? *)"}
    for rule in rules:
        (copied,) = rule["copyActions"]
        assert rule["targetVaultName"] == target
        assert copied["destinationVaultArn"] == f"arn:aws:backup:{copies}"
        assert rule["lifecycle"] == copied["lifecycle"] == {"deleteAfter": 35}


ISOLATED = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:ml-dr-air-gapped"


def test_backups_of_the_primary_region_are_copied_to_the_air_gapped_vault_if_configured() -> None:
    cloud = first_deployment("primary", airGappedVault="recovery", backups=json.dumps([VOLUMES]))
    copies = {
        (name, rule["ruleName"]): [
            each["lifecycle"] for each in rule["copyActions"] if each["destinationVaultArn"] == ISOLATED
        ]
        for name, made in cloud.of("Plan").items()
        for rule in made.inputs["rules"]
    }

    assert cloud.one("LogicallyAirGappedVault", "backup-air-gapped-vault")["region"] == "us-west-2"
    assert copies == {
        ("backup-plan", "regular"): [{"deleteAfter": 35}],
        ("backup-volumes-plan", "regular"): [{"deleteAfter": 14}],
        ("backup-volumes-plan", "archive"): [{"deleteAfter": 14}],
        ("backup-files-plan", "regular"): [{"deleteAfter": 35}],
        ("backup-databases-plan", "regular"): [],
    }


def test_the_recovery_region_copies_nothing_to_the_air_gapped_vault_and_creates_none() -> None:
    cloud = first_deployment("dr", tier="pilot", airGappedVault="recovery")

    assert not cloud.of("LogicallyAirGappedVault")
    assert ISOLATED not in json.dumps([made.inputs["rules"] for made in cloud.of("Plan").values()])


VOLUMES = {"data": "volumes", "everyHours": 4, "retentionDays": 14, "archiveDays": 365}


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_configured_class_of_data_has_its_own_rules_and_its_objective_is_in_the_contract(stack: str) -> None:
    cloud = first_deployment(stack, backups=json.dumps([VOLUMES]))
    regular, archive = cloud.one("Plan", "backup-volumes-plan")["rules"]
    (objects,) = cloud.one("Plan", "backup-plan")["rules"]
    half = contract.parse(cloud.one("BucketObjectv2", "contract")["content"], "test")

    assert (regular["schedule"], regular["lifecycle"]) == ("cron(0 2/4 * * ? *)", {"deleteAfter": 14})
    assert (archive["schedule"], archive["lifecycle"]["coldStorageAfter"]) == ("cron(0 2 1 * ? *)", 30)
    assert objects["lifecycle"] == {"deleteAfter": 35}
    assert half.backups["volumes"] == contract.BackupRecord(4, 14, 10, 365)
    assert half.backups["objects"].rpo_hours == 26


def test_every_resource_that_holds_data_is_selected_by_a_backup_plan_or_is_a_replica() -> None:
    for cloud in whole_program():
        holding = [made for made in cloud.resources if made.type in STATEFUL]
        selections = [Resource(made.type, made.name, made.inputs) for made in cloud.of("Selection").values()]
        for made in holding:
            tag = made.inputs["tags"]["backup"]
            assert tag == "replica" or any(selects(each, made.type, tag) for each in selections), made.name
    selected = [
        Resource("", "", {"resources": arns, "conditions": [{"stringEquals": [ENABLED]}]}) for arns in TYPE_ARNS
    ]
    assert all(any(selects(each, kind, "enabled") for each in selected) for kind in STATEFUL)


ENABLED = {"key": "aws:ResourceTag/backup", "value": "enabled"}
TYPE_ARNS = tuple(RESOURCE_TYPES.values())


def test_every_type_that_aws_backup_protects_is_known_to_the_rule_on_data() -> None:
    """A type of the program that could hold data is either backed up or named here with the reason."""
    elsewhere = {
        "aws:ecr/repository:Repository": "images are replicated by ECR, and built again",
        "aws:cloudwatch/logGroup:LogGroup": "logs of the region alone",
        "aws:eks/cluster:Cluster": "objects are deployed again; volumes are backed up by Velero",
        "aws:rds/globalCluster:GlobalCluster": "its clusters have the data",
        "aws:rds/clusterInstance:ClusterInstance": "its cluster has the data",
        "aws:rds/subnetGroup:SubnetGroup": "no data",
    }
    used = {made.type for cloud in whole_program() for made in cloud.resources if made.type.startswith("aws:")}
    words = (
        "bucket:",
        "volume",
        "database",
        "table:",
        "fileSystem",
        "rds/",
        "repository",
        "logGroup",
        "cluster:Cluster",
    )
    holding = {kind for kind in used if any(word in kind for word in words)}

    assert holding - set(STATEFUL) <= set(elsewhere)


def test_classes_of_data_share_one_role_and_select_each_type_once() -> None:
    cloud = first_deployment("primary")
    selections = [made.inputs for made in cloud.of("Selection").values()]
    types = [arn for each in selections for arn in each["resources"]]

    assert len(selections) == len(DataClass)
    assert len({each["iamRoleArn"] for each in selections}) == 1
    assert len(types) == len(set(types)) == 8


def test_the_prober_measures_the_vault_in_which_copies_arrive() -> None:
    cloud = first_deployment("dr")

    variables = cloud.one("Function", "prober")["environment"]["variables"]
    assert (variables["COPIES_VAULT"], variables["COPIED_CLASSES"]) == ("ml-dr-backups", "objects databases")
    assert cloud.one("Plan", "backup-plan")["rules"][0]["targetVaultName"] != "ml-dr-backups"


def test_replicas_have_a_tag_of_their_own_that_no_selection_names_in_normal_operation() -> None:
    cloud = first_deployment("primary")
    tags = {name: made.inputs["tags"]["backup"] for name, made in cloud.of("Bucket").items()}

    assert {tags[name] for name in tags if name.endswith("-source")} == {"enabled"}
    assert {tags[name] for name in tags if name.endswith("-replica")} == {"replica"}
    selections = {**cloud.of("Selection"), **first_deployment("dr", tier="active").of("Selection")}
    assert selections.keys() == {f"{each}-selection" for each in PLANS}


@pytest.mark.parametrize(
    ("clients", "target"),
    [
        ("203.0.113.0/24", "dns:status-{}.ml.example.com"),
        ("0.0.0.0/0", "https://inference-{}.ml.example.com/v2/models/digits/ready"),
    ],
)
def test_prober_that_the_endpoints_do_not_admit_asks_dns_for_the_result_of_the_health_checkers(
    clients: str, target: str
) -> None:
    prober = first_deployment("dr", clientCidrs=json.dumps([clients])).one("Function", "prober")
    variables = prober["environment"]["variables"]

    assert variables["PRIMARY_TARGET"] == target.format("primary")
    assert variables["RECOVERY_TARGET"] == target.format("dr")


def test_alarms_are_created_after_the_first_run_of_each_function_that_they_measure() -> None:
    alarms = first_deployment("dr", tier="pilot").components["alarms"]

    assert {"prober-first-run", "republisher-first-run", "inference-tls", "cluster"} <= alarms.dependencies


AUTOMATED = {"automation": "prepare", "runner": "true", "runnerImage": "registry.example.com/runner:1"}


@pytest.mark.parametrize("tier", [Tier.BACKUP, Tier.WARM])
def test_automation_adds_its_project_its_function_and_an_alarm_in_every_tier(tier: Tier) -> None:
    runner = {key: value for key, value in AUTOMATED.items() if key != "automation"}
    with_runner = first_deployment("dr", tier=str(tier), **runner)
    automated = first_deployment("dr", tier=str(tier), **AUTOMATED)

    access = {"cluster-operator-ml-dr-us-west-2-automation", "cluster-operator-ml-dr-us-west-2-automation-admin"}
    assert in_aws(automated) - in_aws(with_runner) == {
        *("automation", "automation-source", "automation-logs", "automation-role", "automation-policy"),
        *("failover-trigger", "failover-trigger-first-run", "failover-trigger-logs", "failover-trigger-role"),
        "failover-trigger-events",
        *("failover-trigger-policy", "failover-trigger-schedule", "failover-trigger-schedule-role"),
        *("failover-trigger-schedule-policy", "alarms-automation-failing"),
        *(access if tier.spec.cluster else ()),
    }
    variables = automated.one("Function", "failover-trigger")["environment"]["variables"]
    assert (variables["AUTOMATION"], variables["TIER"]) == ("prepare", str(tier))
    assert variables["PROJECT"] == automated.one("Project", "automation")["name"]
    at_risk = automated.one("CompositeAlarm", "alarms-recovery-at-risk")["alarmRule"]
    assert 'ALARM("ml-dr-automation-failing")' in at_risk


def test_automation_does_nothing_in_the_primary_stack() -> None:
    assert "automation" not in in_aws(first_deployment("primary", **AUTOMATED))


def test_heartbeat_keeps_the_resources_that_an_earlier_version_deployed_under_another_type() -> None:
    heartbeat = first_deployment("primary").components["heartbeat"]

    assert (heartbeat.type, heartbeat.aliases) == ("dr:monitoring:ScheduledFunction", ("dr:monitoring:Heartbeat",))


@pytest.mark.parametrize(("stack", "region"), [("primary", "us-east-1"), ("dr", "us-west-2")])
def test_each_stack_creates_the_network_of_its_region(stack: str, region: str) -> None:
    cloud = first_deployment(stack, tier="warm")

    subnets = cloud.of("Subnet").values()
    assert {each.inputs["availabilityZone"] for each in subnets} == {f"{region}{letter}" for letter in "abc"}
    assert {each.inputs["region"] for each in subnets} == {region}
    assert len(cloud.of("NatGateway")) == 3
    assert cloud.exports["vpc_id"] == "vpc-network-vpc"


def test_interface_endpoints_exist_only_in_tiers_with_a_cluster() -> None:
    counts = [len(first_deployment("dr", tier=str(tier), privateEndpoints="true").of("VpcEndpoint")) for tier in Tier]

    assert counts == [1, 1 + len(ENDPOINTS), 1 + len(ENDPOINTS), 1 + len(ENDPOINTS)]


def test_tier_changes_only_replicas_budget_autoscaler_and_alert_rules_in_the_cluster() -> None:
    def objects(tier: str) -> dict[str, Any]:
        made = first_deployment("dr", tier=tier).resources
        return {each.name: each.inputs for each in made if each.type.startswith("kubernetes:")}

    pilot, warm, active = map(objects, ("pilot", "warm", "active"))
    assert pilot.keys() == warm.keys() == active.keys()
    assert {name for name in warm if warm[name] != pilot[name]} == {"serving-deployment", "cluster-alerts-rules"}
    different = {name for name in active if active[name] != warm[name]}
    assert different == {"serving-budget", "serving-autoscaler", "cluster-alerts-rules"}
    assert (pilot["serving-deployment"]["spec"]["replicas"], "replicas" in active["serving-deployment"]["spec"]) == (
        0,
        False,
    )


def test_destination_rules_exist_only_with_a_mesh() -> None:
    assert len(first_deployment("dr", tier="pilot").of("DestinationRule")) == 1
    assert first_deployment("dr", tier="pilot", mesh="false").of("DestinationRule") == {}


def test_contract_has_the_cluster_address_in_tiers_with_a_cluster() -> None:
    read = [
        contract.parse(first_deployment("dr", tier=tier).one("BucketObjectv2", "contract")["content"], "test").cluster
        for tier in ("backup", "pilot")
    ]

    assert read[0] is None
    assert read[1] is not None
    assert (read[1].name, read[1].ca_data) == ("ml-dr", "UEVN")


def test_dr_stack_uses_outputs_of_the_primary_stack() -> None:
    cloud = first_deployment("dr")

    assert cloud.one("Record", "recovery-record")["zoneId"] == "Z0PRIMARY"
    assert (cloud.exports["primary_bucket"], cloud.exports["secondary_bucket"]) == ("one", "other")


def test_every_taggable_resource_has_a_tag_with_its_name() -> None:
    for stack in ("primary", "dr"):
        tagged = [made for made in first_deployment(stack, tier="active").resources if "tags" in made.inputs]
        assert [made.inputs["tags"]["resource"] for made in tagged] == [made.name for made in tagged]


def test_the_committed_stack_files_agree_with_each_other() -> None:
    assert read_config(ROOT, "primary")["dr:role"] == "primary"
    assert read_config(ROOT, "dr")["dr:role"] == "recovery"
    assert topology().primary_stack == "primary"


REGISTRY = {"registry": "mlflow", "registryImage": "docker.io/registry:1"}
REGISTRY_OF_CLUSTER = {"cluster-registry"}
REGISTRY_ROLE = {"cluster-roles-registry", "cluster-roles-registry-policy"}


@pytest.mark.parametrize(
    ("stack", "changes", "added"),
    [
        ("primary", {}, REGISTRY_ROLE | REGISTRY_OF_CLUSTER),
        ("dr", {"tier": "pilot"}, REGISTRY_ROLE | REGISTRY_OF_CLUSTER),
        ("dr", {"tier": "backup"}, REGISTRY_ROLE),
    ],
)
def test_model_registry_adds_a_role_and_its_association_and_changes_no_other_resource(
    stack: str, changes: dict[str, str], added: set[str]
) -> None:
    without, made = first_deployment(stack, **changes), first_deployment(stack, **changes, **REGISTRY)

    assert in_aws(made) - in_aws(without) == added
    assert in_aws(without) <= in_aws(made)


@pytest.mark.parametrize(("stack", "replicas"), [("primary", 2), ("dr", 0)])
def test_model_registry_runs_in_the_primary_region_with_the_database_of_its_region(stack: str, replicas: int) -> None:
    cloud = first_deployment(stack, **REGISTRY)
    spec = cloud.one("Deployment", "registry-deployment")["spec"]

    assert spec["replicas"] == replicas
    host = spec["template"]["metadata"]["annotations"]["ml-dr/database-host"]
    assert json.loads(cloud.one("BucketObjectv2", "contract")["content"])["database"]["endpoint"] == host != ""


def test_model_registry_uses_the_registry_bucket_of_its_region() -> None:
    for stack, region in (("primary", "us-east-1"), ("dr", "us-west-2")):
        pod = first_deployment(stack, **REGISTRY).one("Deployment", "registry-deployment")["spec"]["template"]["spec"]
        assert f"--artifacts-destination=s3://ml-dr-{ACCOUNT}-{region}-registry/mlflow" in pod["containers"][0]["args"]
