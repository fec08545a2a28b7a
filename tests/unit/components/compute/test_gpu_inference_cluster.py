import json
from typing import Any

import pytest

from components.compute.cluster_roles import DataBucket, LoginSecret
from components.compute.gpu_inference_cluster import ADDONS, GpuInferenceCluster, GpuInferenceClusterArgs
from dr.clusters.versions import TABLE
from dr.preflight.existing_cluster import ExistingCluster
from dr.preflight.running_nodes import DesiredNodes
from dr.topology.capacity import Workload, capacity
from dr.topology.tiers import Tier
from tests.support.mocks import Cloud, deploy

KEY = "arn:aws:kms:us-west-2:123456789012:key/data"
THEIRS = ExistingCluster(
    "theirs", "https://theirs.example", "arn:aws:eks:us-west-2:123456789012:cluster/theirs", "UEVN", "sg-theirs"
)


def cluster(tier: Tier = Tier.ACTIVE, **changes: Any) -> Cloud:
    values = {
        "name": "ml-dr",
        "account": "123456789012",
        "region": "us-west-2",
        "zones": ["us-west-2a", "us-west-2b", "us-west-2c"],
        "control_plane_subnet_ids": ["subnet-a", "subnet-b"],
        "private_subnet_ids": ["subnet-a", "subnet-b", "subnet-c"],
        "zone_subnets": {f"us-west-2{zone}": f"subnet-{zone}" for zone in "abc"},
        "key_arn": "arn:aws:kms:us-west-2:123456789012:key/region",
        "running": tier > Tier.BACKUP,
        "capacity": capacity(Workload(), tier, 3),
        "gpu_types": ("g5.2xlarge", "g6.2xlarge"),
        "gpu_disk_gib": 200,
        "data": {pair: DataBucket(f"ml-dr-{pair}", KEY) for pair in ("datasets", "models", "registry", "velero")},
        "target_group_arn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/pods/1",
        "topic_arns": ["arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"],
        "load_balancer_group_id": "sg-load-balancer",
        "nodes": DesiredNodes({}, 2),
        "tags": {"project": "ml-dr"},
        **changes,
    }
    return deploy(lambda: GpuInferenceCluster("cluster", GpuInferenceClusterArgs(**values)))


def test_the_control_plane_is_private_logged_encrypted_and_uses_access_entries() -> None:
    made = cluster().one("Cluster", "cluster")

    assert (made["vpcConfig"]["endpointPrivateAccess"], made["vpcConfig"]["endpointPublicAccess"]) == (True, False)
    assert set(made["enabledClusterLogTypes"]) >= {"api", "audit", "authenticator"}
    assert made["encryptionConfig"]["provider"]["keyArn"].endswith(":key/region")
    assert made["encryptionConfig"]["resources"] == ["secrets"]
    assert made["accessConfig"]["authenticationMode"] == "API"


def test_api_cidrs_allow_public_access_to_the_api_endpoint() -> None:
    network = cluster(api_cidrs=["203.0.113.0/24"]).one("Cluster", "cluster")["vpcConfig"]

    assert (network["endpointPublicAccess"], network["publicAccessCidrs"]) == (True, ["203.0.113.0/24"])


@pytest.mark.parametrize("zone", list("abc"))
def test_gpu_nodes_of_each_zone_have_a_group_with_the_listed_types_the_nvidia_image_and_a_taint(zone: str) -> None:
    group = cluster().one("NodeGroup", f"cluster-gpu-{zone}")

    assert group["instanceTypes"] == ["g5.2xlarge", "g6.2xlarge"]
    assert group["subnetIds"] == [f"subnet-{zone}"]
    assert group["amiType"] == "AL2023_x86_64_NVIDIA"
    assert [taint["key"] for taint in group["taints"]] == ["nvidia.com/gpu"]
    assert group["scalingConfig"] == {"minSize": 2, "desiredSize": 2, "maxSize": 5}


def test_gpu_groups_differ_only_in_subnet_and_size_so_that_the_autoscaler_balances_them() -> None:
    groups = [made.inputs for name, made in cluster().of("NodeGroup").items() if "gpu" in name]

    for group in groups[1:]:
        assert {key for key in group if group[key] != groups[0][key]} <= {"subnetIds", "scalingConfig"}


def test_nodes_require_imdsv2_and_encrypted_volumes() -> None:
    for name in ("cluster-gpu-template", "cluster-system-template"):
        template = cluster().one("LaunchTemplate", name)
        assert template["metadataOptions"]["httpTokens"] == "required"
        assert template["metadataOptions"]["httpPutResponseHopLimit"] == 1
        assert [each["ebs"]["encrypted"] for each in template["blockDeviceMappings"]] == ["true"]


def test_system_nodes_tolerate_the_loss_of_a_zone() -> None:
    assert cluster().one("NodeGroup", "cluster-system")["scalingConfig"]["minSize"] == 2


def test_roles_and_launch_templates_exist_without_a_cluster() -> None:
    without, running = cluster(Tier.BACKUP), cluster(Tier.PILOT)

    assert without.of("Cluster") == without.of("NodeGroup") == without.of("Addon") == {}
    assert without.of("Role").keys() == running.of("Role").keys()
    assert without.of("RolePolicy").keys() == running.of("RolePolicy").keys()
    assert without.of("RolePolicyAttachment").keys() == running.of("RolePolicyAttachment").keys()
    assert without.of("LaunchTemplate").keys() == running.of("LaunchTemplate").keys()
    assert {each.name for each in without.resources} < {each.name for each in running.resources}


def test_tiers_from_pilot_light_up_differ_only_in_the_size_of_the_gpu_group() -> None:
    made = [
        {each.name: each.inputs for each in cluster(tier).resources} for tier in (Tier.PILOT, Tier.WARM, Tier.ACTIVE)
    ]

    for tier in made[1:]:
        assert tier.keys() == made[0].keys()
        changed = [name for name in tier if tier[name] != made[0][name]]
        assert changed == ["cluster-gpu-a", "cluster-gpu-b", "cluster-gpu-c"]
        for name in changed:
            assert [key for key, value in tier[name].items() if value != made[0][name][key]] == ["scalingConfig"]


def test_cluster_role_is_assumed_for_its_own_cluster_only() -> None:
    (trust,) = json.loads(cluster().one("Role", "cluster-roles-cluster")["assumeRolePolicy"])["Statement"]

    assert trust["Condition"]["ArnEquals"] == {"aws:SourceArn": "arn:aws:eks:us-west-2:123456789012:cluster/ml-dr"}


def test_inference_pods_may_read_only_their_regions_models_and_set_manifests() -> None:
    cloud = cluster()
    trust = json.loads(cloud.one("Role", "cluster-roles-inference")["assumeRolePolicy"])["Statement"][0]
    policy = json.loads(cloud.one("RolePolicy", "cluster-roles-inference-policy")["policy"])["Statement"]

    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-namespace"] == ["ml-serving", "dr-drill"]
    assert {each["Sid"]: each["Resource"] for each in policy} == {
        "List": "arn:aws:s3:::ml-dr-models",
        "Read": "arn:aws:s3:::ml-dr-models/*",
        "DecryptInuswest2": "arn:aws:kms:us-west-2:123456789012:key/data",
        "ListSets": "arn:aws:s3:::ml-dr-registry",
        "ReadSets": "arn:aws:s3:::ml-dr-registry/sets/*",
        "DecryptSetsInuswest2": "arn:aws:kms:us-west-2:123456789012:key/data",
    }
    (listing,) = (each for each in policy if each["Sid"] == "ListSets")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "sets/*"}}
    association = cloud.one("PodIdentityAssociation", "cluster-inference")
    assert (association["namespace"], association["serviceAccount"]) == ("ml-serving", "inference-service")
    drills = cloud.one("PodIdentityAssociation", "cluster-inference-dr-drill")
    assert {**association, "namespace": "dr-drill"} == drills, "a drill's replica has the rights of inference"


@pytest.mark.parametrize(
    ("name", "pair", "namespace", "account"),
    [
        ("registry-backup", "registry", "mlflow", "registry-backup"),
        ("batch", "datasets", "ml-training", "process-datasets"),
        ("backups", "velero", "velero", "velero-server"),
    ],
)
@pytest.mark.parametrize("tier", [Tier.BACKUP, Tier.ACTIVE])
def test_backup_and_batch_pods_have_roles_for_their_bucket_pair_in_every_tier(
    tier: Tier, name: str, pair: str, namespace: str, account: str
) -> None:
    cloud = cluster(tier)
    trust = json.loads(cloud.one("Role", f"cluster-roles-{name}")["assumeRolePolicy"])["Statement"][0]
    policy = json.loads(cloud.one("RolePolicy", f"cluster-roles-{name}-policy")["policy"])["Statement"]

    tags = trust["Condition"]["StringEquals"]
    assert tags["aws:RequestTag/kubernetes-namespace"] == namespace
    assert tags["aws:RequestTag/kubernetes-service-account"] == account
    assert {each["Resource"].split("/")[0] for each in policy if not each["Resource"].endswith("key/data")} == {
        f"arn:aws:s3:::ml-dr-{pair}"
    }
    assert (f"cluster-{name}" in cloud.of("PodIdentityAssociation")) == (tier > Tier.BACKUP)


OTHER_KEY = "arn:aws:kms:us-west-2:123456789012:key/secrets"
WITH_REGISTRY = {"registry_login": LoginSecret("ml-dr-database", OTHER_KEY)}


@pytest.mark.parametrize("tier", [Tier.BACKUP, Tier.ACTIVE])
def test_mlflow_has_a_role_in_every_tier_for_its_artifacts_and_the_login_of_its_region(tier: Tier) -> None:
    cloud = cluster(tier, **WITH_REGISTRY)
    trust = json.loads(cloud.one("Role", "cluster-roles-registry")["assumeRolePolicy"])["Statement"][0]
    policy = json.loads(cloud.one("RolePolicy", "cluster-roles-registry-policy")["policy"])["Statement"]

    tags = trust["Condition"]["StringEquals"]
    assert tags["aws:RequestTag/kubernetes-namespace"] == "mlflow"
    assert tags["aws:RequestTag/kubernetes-service-account"] == "mlflow"
    assert {each["Sid"]: each["Resource"] for each in policy} == {
        "List": "arn:aws:s3:::ml-dr-registry",
        "Artifacts": "arn:aws:s3:::ml-dr-registry/mlflow/*",
        "ReadAndWriteInuswest2": KEY,
        "Login": "arn:aws:secretsmanager:us-west-2:123456789012:secret:ml-dr-database-??????",
        "DecryptLogin": OTHER_KEY,
    }
    (listing,) = (each for each in policy if each["Sid"] == "List")
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "mlflow/*"}}
    (key,) = (each for each in policy if each["Sid"] == "DecryptLogin")
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.us-west-2.amazonaws.com"}}
    actions = [each["Action"] for each in policy]
    assert not [each for each in actions if "Delete" in str(each)], "deleted artifacts could not be restored by MLflow"
    assert ("cluster-registry" in cloud.of("PodIdentityAssociation")) == (tier > Tier.BACKUP)


def test_cluster_without_mlflow_has_no_role_for_it() -> None:
    assert "cluster-roles-registry" not in cluster().of("Role")


def test_the_load_balancer_controller_may_register_pods_in_one_target_group() -> None:
    policy = json.loads(cluster().one("RolePolicy", "cluster-roles-load-balancer-policy")["policy"])["Statement"]

    (register,) = (each for each in policy if each["Sid"] == "Register")
    assert register["Resource"].endswith("targetgroup/pods/1")


def test_alertmanager_may_publish_only_to_the_regions_topics() -> None:
    publish, encrypt = json.loads(cluster().one("RolePolicy", "cluster-roles-alerting-policy")["policy"])["Statement"]

    assert (publish["Action"], publish["Resource"]) == (
        "sns:Publish",
        ["arn:aws:sns:us-west-2:123456789012:ml-dr-alerts"],
    )
    assert encrypt["Resource"] == "arn:aws:kms:us-west-2:123456789012:key/region"
    assert encrypt["Condition"] == {"StringEquals": {"kms:ViaService": "sns.us-west-2.amazonaws.com"}}


def test_only_gpu_nodes_have_the_labels_of_device_plugin_and_autoscaler() -> None:
    cloud = cluster()

    assert cloud.one("NodeGroup", "cluster-gpu-a")["labels"] == {
        "pool": "gpu",
        "nvidia.com/gpu.present": "true",
        "k8s.amazonaws.com/accelerator": "nvidia",
    }
    assert cloud.one("NodeGroup", "cluster-system")["labels"] == {"pool": "system"}


def test_karpenter_replaces_the_autoscaler_and_gets_an_instance_profile() -> None:
    plain, with_it = cluster(), cluster(karpenter=True)
    tokens = {each.inputs["serviceAccount"] for each in with_it.of("PodIdentityAssociation").values()}

    assert {"karpenter"} <= tokens
    assert "cluster-autoscaler" not in tokens
    assert "cluster-roles-autoscaler" not in with_it.of("Role")
    assert plain.of("InstanceProfile") == {}
    (profile,) = with_it.of("InstanceProfile").values()
    assert profile.inputs["role"] == "cluster-roles-nodes-0a1b2c3"


def test_karpenter_may_change_only_resources_with_the_clusters_tag() -> None:
    policy = cluster(karpenter=True).one("RolePolicy", "cluster-roles-karpenter-policy")["policy"]
    statements = {each["Sid"]: each for each in json.loads(policy)["Statement"]}

    owned = statements["Delete"]["Condition"]["StringEquals"]
    assert owned == {"aws:ResourceTag/kubernetes.io/cluster/ml-dr": "owned"}
    request = statements["Create"]["Condition"]["StringEquals"]
    assert request["aws:RequestTag/kubernetes.io/cluster/ml-dr"] == "owned"
    assert statements["PassNodeRole"]["Resource"].endswith(":role/cluster-roles-nodes-0a1b2c3")
    assert [sid for sid, each in statements.items() if each["Resource"] == "*"] == ["Describe", "Prices"]
    actions = {action for each in statements.values() for action in [each["Action"]] if isinstance(action, str)}
    assert not {action for action in actions if action.startswith("iam:Create")}


def test_groups_set_a_desired_size_above_the_floor() -> None:
    cloud = cluster(Tier.WARM, nodes=DesiredNodes({"us-west-2b": 4}, 3))
    sizes = {name: each.inputs["scalingConfig"] for name, each in cloud.of("NodeGroup").items()}

    assert {
        name.removeprefix("cluster-"): (size["minSize"], size["desiredSize"], size["maxSize"])
        for name, size in sizes.items()
    } == {**{"system": (2, 3, 6), "gpu-a": (1, 1, 5), "gpu-b": (1, 4, 5), "gpu-c": (1, 1, 5)}}


def test_update_of_gpu_nodes_starts_none_before_it_removes_one() -> None:
    strategies = {name: each.inputs["updateConfig"] for name, each in cluster().of("NodeGroup").items()}

    assert strategies["cluster-gpu-a"] == {"maxUnavailable": 1, "updateStrategy": "MINIMAL"}
    assert strategies["cluster-system"] == {"maxUnavailable": 1, "updateStrategy": "DEFAULT"}


@pytest.mark.parametrize("protect", [True, False])
def test_eks_deletion_protection_follows_the_argument(protect: bool) -> None:
    assert cluster(protect=protect).one("Cluster", "cluster")["deletionProtection"] is protect


def test_nodes_and_add_ons_have_the_versions_of_the_table_and_nodes_of_an_existing_cluster_its_own() -> None:
    cloud, theirs = cluster(), cluster(existing=THEIRS).one("NodeGroup", "cluster-gpu-a")
    groups = [made.inputs for made in cloud.of("NodeGroup").values()]

    assert cloud.one("Cluster", "cluster")["version"] == TABLE.kubernetes
    assert {(each["version"], each["releaseVersion"]) for each in groups} == {(TABLE.kubernetes, TABLE.node_release)}
    addons = {each.inputs["addonName"]: each.inputs["addonVersion"] for each in cloud.of("Addon").values()}
    assert addons == TABLE.addons
    assert "version" not in theirs
    assert "releaseVersion" not in theirs


def test_pods_allow_ingress_from_the_load_balancer() -> None:
    rule = cluster().one("SecurityGroupIngressRule", "cluster-from-load-balancer")

    assert (rule["securityGroupId"], rule["referencedSecurityGroupId"]) == ("sg-of-ml-dr", "sg-load-balancer")
    assert (rule["fromPort"], rule["toPort"]) == (8080, 8080)


def test_add_ons_that_need_a_role_have_a_pod_identity_association() -> None:
    made = cluster().of("Addon")

    assert {each.inputs["addonName"] for each in made.values()} == set(ADDONS)
    with_role = {each.inputs["addonName"] for each in made.values() if each.inputs.get("podIdentityAssociations")}
    assert with_role == {"vpc-cni", "aws-ebs-csi-driver"}


def test_the_network_plugin_enforces_network_policies() -> None:
    settings = cluster().one("Addon", "cluster-vpc-cni")["configurationValues"]

    assert json.loads(settings) == {"enableNetworkPolicy": "true"}


def test_operators_administer_the_cluster_by_access_entries() -> None:
    cloud = cluster(operator_roles=["arn:aws:iam::123456789012:role/team/platform"])

    entry = cloud.one("AccessEntry", "cluster-operator-platform")
    assert entry["principalArn"] == "arn:aws:iam::123456789012:role/team/platform"
    association = cloud.one("AccessPolicyAssociation", "cluster-operator-platform-admin")
    assert association["policyArn"].endswith("AmazonEKSClusterAdminPolicy")


@pytest.mark.parametrize(("zones", "counts"), [("", {}), ("a", {"a": 1}), ("abca", {"a": 2, "b": 1, "c": 1})])
def test_capacity_reservations_are_spread_over_the_zones(zones: str, counts: dict[str, int]) -> None:
    made = cluster(reserved_zones=[f"us-west-2{zone}" for zone in zones]).of("CapacityReservation")

    assert {name[-1]: each.inputs["instanceCount"] for name, each in made.items()} == counts
    assert {each.inputs["instanceType"] for each in made.values()} <= {"g5.2xlarge"}


def test_in_an_existing_cluster_only_gpu_nodes_roles_and_ingress_are_created() -> None:
    cloud = cluster(existing=THEIRS)

    assert cloud.of("Cluster") == cloud.of("Addon") == cloud.of("AccessEntry") == cloud.of("LogGroup") == {}
    assert {name: each.inputs["clusterName"] for name, each in cloud.of("NodeGroup").items()} == {
        f"cluster-gpu-{zone}": "theirs" for zone in "abc"
    }
    assert cloud.one("SecurityGroupIngressRule", "cluster-from-load-balancer")["securityGroupId"] == "sg-theirs"
    assert "cluster-inference" in cloud.of("PodIdentityAssociation")


def test_every_resource_that_accepts_tags_has_them() -> None:
    untagged = {
        each.type.rpartition(":")[2] for each in cluster().resources if "project" not in each.inputs.get("tags", {})
    }

    assert untagged == {"RolePolicy", "RolePolicyAttachment"}
