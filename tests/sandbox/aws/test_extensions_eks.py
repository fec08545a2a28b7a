from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dr import clients
from sandbox.server import Running
from tests.support.buckets import PRIMARY

ADMIN = "arn:aws:iam::123456789012:role/platform"
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


@pytest.fixture
def eks(aws: Running) -> Any:
    return aws.client("eks", PRIMARY)


def role(aws: Running, name: str, service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = aws.client("iam", PRIMARY)
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"])


def subnets(aws: Running, zones: str = "ab") -> list[str]:
    ec2 = aws.client("ec2", PRIMARY)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{PRIMARY}{zone}")
        for number, zone in enumerate(zones)
    ]
    return [each["Subnet"]["SubnetId"] for each in made]


@pytest.fixture
def wanted(aws: Running) -> dict[str, Any]:
    return {
        "name": "ml-dr",
        "roleArn": role(aws, "cluster", "eks.amazonaws.com"),
        "version": "1.34",
        "resourcesVpcConfig": {"subnetIds": subnets(aws), "endpointPublicAccess": False, "endpointPrivateAccess": True},
        "accessConfig": {"authenticationMode": "API"},
        "tags": {"project": "ml-dr"},
    }


@pytest.fixture
def cluster(eks: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = eks.create_cluster(**wanted)["cluster"]
    return made


@pytest.fixture
def group(aws: Running, cluster: dict[str, Any]) -> dict[str, Any]:
    return {
        "clusterName": "ml-dr",
        "nodegroupName": "gpu",
        "nodeRole": role(aws, "nodes", "ec2.amazonaws.com"),
        "subnets": cluster["resourcesVpcConfig"]["subnetIds"],
        "scalingConfig": {"minSize": 0, "desiredSize": 0, "maxSize": 10},
    }


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def scaling_groups(aws: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.client("autoscaling", PRIMARY).describe_auto_scaling_groups()["AutoScalingGroups"]
    return found


def test_a_cluster_is_described_as_it_was_created(eks: Any, cluster: dict[str, Any]) -> None:
    found = eks.describe_cluster(name="ml-dr")["cluster"]

    assert found == cluster
    assert (found["status"], found["version"]) == ("ACTIVE", "1.34")
    assert found["accessConfig"]["authenticationMode"] == "API"
    assert found["endpoint"].endswith(".gr7.us-east-1.eks.amazonaws.com")
    assert eks.list_tags_for_resource(resourceArn=found["arn"])["tags"] == {"project": "ml-dr"}


def test_the_security_group_of_a_cluster_is_deleted_with_it(aws: Running, eks: Any, cluster: dict[str, Any]) -> None:
    ec2, network = aws.client("ec2", PRIMARY), cluster["resourcesVpcConfig"]
    (group,) = ec2.describe_security_groups(GroupIds=[network["clusterSecurityGroupId"]])["SecurityGroups"]
    assert group["VpcId"] == network["vpcId"]

    eks.delete_cluster(name="ml-dr")
    assert eks.list_clusters()["clusters"] == []
    assert refusal(lambda: ec2.describe_security_groups(GroupIds=[group["GroupId"]]))[0] == "InvalidGroup.NotFound"


def test_a_cluster_needs_two_zones_and_a_role_that_trusts_eks(aws: Running, eks: Any, wanted: dict[str, Any]) -> None:
    one_zone = {**wanted, "resourcesVpcConfig": {"subnetIds": subnets(aws, "a")}}
    assert "at least two different AZs" in refusal(lambda: eks.create_cluster(**one_zone))[1]
    stranger = {**wanted, "roleArn": role(aws, "stranger", "ec2.amazonaws.com")}
    assert "does not allow eks.amazonaws.com" in refusal(lambda: eks.create_cluster(**stranger))[1]
    assert "does not exist" in refusal(lambda: eks.create_cluster(**{**wanted, "roleArn": ADMIN}))[1]


def test_a_cluster_of_unknown_resources_is_refused(aws: Running, eks: Any, wanted: dict[str, Any]) -> None:
    network = wanted["resourcesVpcConfig"]
    group = {**wanted, "resourcesVpcConfig": {**network, "securityGroupIds": ["sg-0123456789abcdef0"]}}
    assert "'sg-0123456789abcdef0' does not exist" in refusal(lambda: eks.create_cluster(**group))[1]
    west = aws.client("kms", "us-west-2").create_key()["KeyMetadata"]["Arn"]
    encryption = [{"provider": {"keyArn": west}, "resources": ["secrets"]}]
    assert "in us-east-1" in refusal(lambda: eks.create_cluster(**wanted, encryptionConfig=encryption))[1]
    closed = {**wanted, "resourcesVpcConfig": {**network, "endpointPrivateAccess": False}}
    assert "cannot both be disabled" in refusal(lambda: eks.create_cluster(**closed))[1]
    assert eks.list_clusters()["clusters"] == []


def test_vpc_of_a_cluster_cannot_be_changed(aws: Running, eks: Any, cluster: dict[str, Any]) -> None:
    def move(ids: list[str]) -> Any:
        return eks.update_cluster_config(name="ml-dr", resourcesVpcConfig={"subnetIds": ids})

    before = cluster["resourcesVpcConfig"]
    assert before["vpcId"] in refusal(lambda: move(subnets(aws)))[1]
    assert "at least two different AZs" in refusal(lambda: move(before["subnetIds"][:1]))[1]
    assert eks.describe_cluster(name="ml-dr")["cluster"]["resourcesVpcConfig"] == before


@pytest.mark.usefixtures("cluster")
def test_cluster_names_are_unique_and_unknown_clusters_are_not_found(eks: Any, wanted: dict[str, Any]) -> None:
    assert refusal(lambda: eks.create_cluster(**wanted))[0] == "ResourceInUseException"
    assert refusal(lambda: eks.describe_cluster(name="other"))[0] == "ResourceNotFoundException"


@pytest.mark.usefixtures("cluster")
def test_each_kind_of_cluster_change_is_a_separate_update(eks: Any) -> None:
    logs = {"clusterLogging": [{"types": ["api"], "enabled": True}]}
    update = eks.update_cluster_config(name="ml-dr", logging=logs)["update"]

    assert eks.describe_update(name="ml-dr", updateId=update["id"])["update"]["status"] == "Successful"
    on, off = eks.describe_cluster(name="ml-dr")["cluster"]["logging"]["clusterLogging"]
    assert (on["types"], on["enabled"], off["enabled"]) == (["api"], True, False)
    both = {"logging": logs, "upgradePolicy": {"supportType": "STANDARD"}}
    assert refusal(lambda: eks.update_cluster_config(name="ml-dr", **both))[0] == "InvalidParameterException"


@pytest.mark.usefixtures("cluster")
def test_cluster_version_is_raised_by_one_and_never_lowered(eks: Any) -> None:
    assert "from 1.34 to 1.36" in refusal(lambda: eks.update_cluster_version(name="ml-dr", version="1.36"))[1]
    eks.update_cluster_version(name="ml-dr", version="1.35")
    assert "from 1.35 to 1.34" in refusal(lambda: eks.update_cluster_version(name="ml-dr", version="1.34"))[1]


@pytest.mark.usefixtures("cluster")
def test_a_cluster_with_deletion_protection_or_node_groups_is_not_deleted(eks: Any, group: dict[str, Any]) -> None:
    eks.create_nodegroup(**group)
    assert refusal(lambda: eks.delete_cluster(name="ml-dr"))[1] == "Cluster has nodegroups attached"
    eks.delete_nodegroup(clusterName="ml-dr", nodegroupName="gpu")
    eks.update_cluster_config(name="ml-dr", deletionProtection=True)
    assert "deletion protection" in refusal(lambda: eks.delete_cluster(name="ml-dr"))[1]


def test_a_node_group_has_an_auto_scaling_group_that_follows_its_sizes(
    aws: Running, eks: Any, group: dict[str, Any]
) -> None:
    made = eks.create_nodegroup(**group)["nodegroup"]
    (name,) = (each["name"] for each in made["resources"]["autoScalingGroups"])
    (scaling,) = scaling_groups(aws)
    tags = {tag["Key"]: tag["Value"] for tag in scaling["Tags"]}
    assert scaling["AutoScalingGroupName"] == name
    assert tags["k8s.io/cluster-autoscaler/ml-dr"] == "owned"

    eks.update_nodegroup_config(
        clusterName="ml-dr", nodegroupName="gpu", scalingConfig={"minSize": 3, "desiredSize": 3}
    )
    (scaling,) = scaling_groups(aws)
    assert (scaling["MinSize"], scaling["DesiredCapacity"], scaling["MaxSize"]) == (3, 3, 10)
    eks.delete_nodegroup(clusterName="ml-dr", nodegroupName="gpu")
    assert scaling_groups(aws) == []


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"minSize": 3, "desiredSize": 2, "maxSize": 4}, "Minimum capacity 3 can't be greater than desired size 2"),
        ({"minSize": 0, "desiredSize": 5, "maxSize": 4}, "desired capacity 5 can't be greater than max size 4"),
        ({"minSize": 0, "desiredSize": 0, "maxSize": 451}, "maximum capacity 451 must be between 1 and 450"),
    ],
)
def test_invalid_sizes_of_a_node_group_are_refused(
    eks: Any, group: dict[str, Any], sizes: dict[str, int], said: str
) -> None:
    assert refusal(lambda: eks.create_nodegroup(**{**group, "scalingConfig": sizes})) == (
        "InvalidParameterException",
        said,
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"instanceTypes": ["g5.2xlrage"]}, "The following supplied instance types do not exist: [g5.2xlrage]"),
        ({"version": "1.35"}, "Nodegroup Kubernetes version 1.35 is above the cluster's 1.34"),
        ({"version": "1.9"}, "unsupported Kubernetes version 1.9; supported are 1.33, 1.34, 1.35, 1.36"),
        (
            {"updateConfig": {"maxUnavailable": 1, "maxUnavailablePercentage": 10}},
            "Exactly one of maxUnavailable and maxUnavailablePercentage is required in updateConfig",
        ),
        ({"subnets": ["subnet-0123456789abcdef0"]}, "The subnet ID 'subnet-0123456789abcdef0' does not exist"),
        (
            {"launchTemplate": {"id": "lt-0123456789abcdef0", "name": "gpu"}},
            "Either provide launch template ID or launch template name in the request.",
        ),
    ],
)
def test_an_invalid_node_group_is_refused(
    aws: Running, eks: Any, group: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    assert refusal(lambda: eks.create_nodegroup(**{**group, **changes})) == ("InvalidParameterException", said)
    assert scaling_groups(aws) == []


def test_instance_types_are_in_the_launch_template_or_in_the_node_group(
    aws: Running, eks: Any, group: dict[str, Any]
) -> None:
    data = {"InstanceType": "g5.2xlarge"}
    made = aws.client("ec2", PRIMARY).create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=data)
    both = {**group, "launchTemplate": {"id": made["LaunchTemplate"]["LaunchTemplateId"]}}
    both["instanceTypes"] = ["g5.2xlarge"]
    code, said = refusal(lambda: eks.create_nodegroup(**both))
    assert code == "InvalidRequestException"
    assert said == "Cannot specify instance types in launch template and API request"


def test_launch_template_cannot_be_added_to_an_existing_node_group(
    aws: Running, eks: Any, group: dict[str, Any]
) -> None:
    ec2, named = aws.client("ec2", PRIMARY), {"clusterName": "ml-dr", "nodegroupName": "gpu"}
    eks.create_nodegroup(**group)
    made = ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData={})
    template = {"id": made["LaunchTemplate"]["LaunchTemplateId"], "version": "1"}
    said = refusal(lambda: eks.update_nodegroup_version(**named, launchTemplate=template))[1]
    assert said.startswith("The node group was not created with a launch template")
    eks.delete_nodegroup(**named)
    assert [each["LaunchTemplateName"] for each in ec2.describe_launch_templates()["LaunchTemplates"]] == ["gpu"]


def test_the_version_of_nodes_is_raised_up_to_the_control_plane_only(eks: Any, group: dict[str, Any]) -> None:
    named = {"clusterName": "ml-dr", "nodegroupName": "gpu"}
    eks.create_nodegroup(**group)
    eks.update_cluster_version(name="ml-dr", version="1.35")
    update = eks.update_nodegroup_version(**named, version="1.35")["update"]
    found = eks.describe_nodegroup(**named)["nodegroup"]
    assert (found["version"], found["releaseVersion"].startswith("1.35.")) == ("1.35", True)
    assert eks.list_updates(name="ml-dr", nodegroupName="gpu")["updateIds"] == [update["id"]]
    assert update["id"] not in eks.list_updates(name="ml-dr")["updateIds"]
    assert "from Kubernetes version 1.35" in refusal(lambda: eks.update_nodegroup_version(**named, version="1.34"))[1]


def test_the_release_of_nodes_is_not_lowered(eks: Any, group: dict[str, Any]) -> None:
    named = {"clusterName": "ml-dr", "nodegroupName": "gpu"}
    made = eks.create_nodegroup(**group, releaseVersion="1.34.2-20260304")["nodegroup"]
    older = refusal(lambda: eks.update_nodegroup_version(**named, releaseVersion="1.34.2-20260217"))
    eks.update_nodegroup_version(**named, releaseVersion="1.34.10-20260304")

    assert made["releaseVersion"] == "1.34.2-20260304"
    assert older[0] == "InvalidParameterException"
    assert "from release version 1.34.2-20260304 to 1.34.2-20260217" in older[1]
    assert eks.describe_nodegroup(**named)["nodegroup"]["releaseVersion"] == "1.34.10-20260304"


def test_a_launch_template_exists_and_its_version_changes_in_place(
    aws: Running, eks: Any, group: dict[str, Any]
) -> None:
    gone = {**group, "launchTemplate": {"id": "lt-0123456789abcdef0", "version": "1"}}
    assert "does not exist" in refusal(lambda: eks.create_nodegroup(**gone))[1]
    ec2 = aws.client("ec2", PRIMARY)
    made = ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData={"UserData": "YQ=="})
    id = made["LaunchTemplate"]["LaunchTemplateId"]
    eks.create_nodegroup(**{**group, "launchTemplate": {"id": id, "version": "1"}})
    ec2.create_launch_template_version(LaunchTemplateId=id, LaunchTemplateData={"UserData": "Yg=="})
    eks.update_nodegroup_version(clusterName="ml-dr", nodegroupName="gpu", launchTemplate={"id": id, "version": "2"})
    found = eks.describe_nodegroup(clusterName="ml-dr", nodegroupName="gpu")["nodegroup"]

    assert found["launchTemplate"] == {"id": id, "name": "gpu", "version": "2"}


@pytest.mark.usefixtures("cluster")
def test_an_add_on_needs_a_known_name_and_version(eks: Any) -> None:
    assert "not supported" in refusal(lambda: eks.create_addon(clusterName="ml-dr", addonName="vpc-cnni"))[1]
    version = refusal(lambda: eks.create_addon(clusterName="ml-dr", addonName="vpc-cni", addonVersion="v9.9.9"))
    assert version[1] == "Addon version specified is not supported: vpc-cni v9.9.9"
    eks.create_addon(clusterName="ml-dr", addonName="vpc-cni")
    (offered,) = eks.describe_addon_versions(addonName="vpc-cni")["addons"]
    default = next(each for each in offered["addonVersions"] if each["compatibilities"][0]["defaultVersion"])
    assert (
        eks.describe_addon(clusterName="ml-dr", addonName="vpc-cni")["addon"]["addonVersion"] == default["addonVersion"]
    )
    assert refusal(lambda: eks.create_addon(clusterName="ml-dr", addonName="vpc-cni"))[0] == "ResourceInUseException"


@pytest.mark.usefixtures("cluster")
def test_an_access_policy_needs_an_access_entry(eks: Any) -> None:
    named = {"clusterName": "ml-dr", "principalArn": ADMIN}
    policy = {**named, "policyArn": ADMIN_POLICY, "accessScope": {"type": "cluster"}}
    assert "could not be found" in refusal(lambda: eks.associate_access_policy(**policy))[1]
    eks.create_access_entry(**named)
    eks.associate_access_policy(**policy)
    (associated,) = eks.list_associated_access_policies(**named)["associatedAccessPolicies"]
    assert associated["policyArn"] == ADMIN_POLICY
    wrong = {**policy, "policyArn": f"{ADMIN_POLICY}X"}
    assert refusal(lambda: eks.associate_access_policy(**wrong))[0] == "InvalidParameterException"


@pytest.mark.usefixtures("cluster")
def test_creator_of_a_cluster_has_an_access_entry_and_gets_no_second_one(aws: Running, eks: Any) -> None:
    caller = aws.client("sts", PRIMARY).get_caller_identity()["Arn"].replace(":sts:", ":iam:")

    assert eks.list_access_entries(clusterName="ml-dr")["accessEntries"] == [caller]
    policies = eks.list_associated_access_policies(clusterName="ml-dr", principalArn=caller)["associatedAccessPolicies"]
    assert [each["policyArn"] for each in policies] == [ADMIN_POLICY]
    with pytest.raises(ClientError, match="ResourceInUseException"):
        eks.create_access_entry(clusterName="ml-dr", principalArn=caller)


def test_session_that_creates_a_cluster_gets_an_entry_for_its_role(
    aws: Running, wanted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = aws.client("iam", PRIMARY).create_role(RoleName="platform", Path="/team/", AssumeRolePolicyDocument="{}")
    session = aws.client("sts", PRIMARY).assume_role(RoleArn=arn["Role"]["Arn"], RoleSessionName="ada")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    clients.forget()
    clients.client("eks", PRIMARY).create_cluster(**wanted)

    entries = clients.client("eks", PRIMARY).list_access_entries(clusterName="ml-dr")["accessEntries"]
    assert entries == ["arn:aws:iam::123456789012:role/team/platform"]


def test_control_plane_keeps_the_zones_of_its_creation(aws: Running, eks: Any, wanted: dict[str, Any]) -> None:
    ids = subnets(aws, "abc")
    eks.create_cluster(**wanted | {"resourcesVpcConfig": {"subnetIds": ids[:2]}})
    for changed in (ids, ids[1:], [ids[0], ids[2]]):
        with pytest.raises(ClientError, match="But they should belong to the exact set of AZs 'us-east-1a,us-east-1b'"):
            eks.update_cluster_config(name="ml-dr", resourcesVpcConfig={"subnetIds": changed})

    eks.update_cluster_config(name="ml-dr", resourcesVpcConfig={"subnetIds": ids[:2]})


def test_zone_in_which_eks_places_no_control_plane_is_refused(aws: Running, eks: Any, wanted: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"UnsupportedAvailabilityZoneException.*us-east-1e"):
        eks.create_cluster(**wanted | {"resourcesVpcConfig": {"subnetIds": subnets(aws, "abe")}})


@pytest.mark.usefixtures("cluster")
def test_the_type_of_an_access_entry_decides_its_user_and_groups(aws: Running, eks: Any) -> None:
    people = eks.create_access_entry(clusterName="ml-dr", principalArn=ADMIN)["accessEntry"]
    assert people["username"] == "arn:aws:sts::123456789012:assumed-role/platform/{{SessionName}}"
    assert ":access-entry/ml-dr/role/123456789012/platform/" in people["accessEntryArn"]
    nodes = {"clusterName": "ml-dr", "principalArn": role(aws, "nodes", "ec2.amazonaws.com"), "type": "EC2_LINUX"}
    assert "type STANDARD" in refusal(lambda: eks.create_access_entry(**nodes, kubernetesGroups=["viewers"]))[1]
    assert eks.create_access_entry(**nodes)["accessEntry"]["username"] == "system:node:{{EC2PrivateDNSName}}"
    nodes.pop("type")
    policy = {"policyArn": ADMIN_POLICY, "accessScope": {"type": "cluster"}}
    assert "type STANDARD" in refusal(lambda: eks.associate_access_policy(**nodes, **policy))[1]
    system = {"clusterName": "ml-dr", "principalArn": f"{ADMIN}2", "kubernetesGroups": ["system:masters"]}
    assert "may not start with system:" in refusal(lambda: eks.create_access_entry(**system))[1]


@pytest.mark.usefixtures("cluster")
def test_only_an_access_scope_of_type_namespace_has_namespaces(eks: Any) -> None:
    named = {"clusterName": "ml-dr", "principalArn": ADMIN}
    eks.create_access_entry(**named)
    for scope in ({"type": "namespace"}, {"type": "cluster", "namespaces": ["ml-serving"]}):
        wrong = {**named, "policyArn": ADMIN_POLICY, "accessScope": scope}
        assert "of type namespace has namespaces" in refusal(partial(eks.associate_access_policy, **wrong))[1]


def test_a_cluster_with_authentication_by_config_map_has_no_access_entries(eks: Any, wanted: dict[str, Any]) -> None:
    eks.create_cluster(**{**wanted, "accessConfig": {"authenticationMode": "CONFIG_MAP"}})
    code, said = refusal(lambda: eks.create_access_entry(clusterName="ml-dr", principalArn=ADMIN))
    assert code == "InvalidRequestException"
    assert "authentication mode" in said


@pytest.mark.usefixtures("cluster")
def test_a_service_account_has_one_pod_identity_with_a_role_that_trusts_pods(aws: Running, eks: Any) -> None:
    wanted = {"clusterName": "ml-dr", "namespace": "ml-serving", "serviceAccount": "inference-service"}
    nodes = role(aws, "of-nodes", "ec2.amazonaws.com")
    assert "pods.eks.amazonaws.com" in refusal(lambda: eks.create_pod_identity_association(**wanted, roleArn=nodes))[1]
    pods = role(aws, "of-pods", "pods.eks.amazonaws.com")
    eks.create_pod_identity_association(**wanted, roleArn=pods)
    again = refusal(lambda: eks.create_pod_identity_association(**wanted, roleArn=pods))
    assert again[0] == "ResourceInUseException"
    (listed,) = eks.list_pod_identity_associations(clusterName="ml-dr", namespace="ml-serving")["associations"]
    assert listed["serviceAccount"] == "inference-service"


@pytest.mark.usefixtures("cluster")
def test_reset_removes_clusters(aws: Running, eks: Any) -> None:
    aws.emulator.reset()

    assert eks.list_clusters()["clusters"] == []


@pytest.mark.parametrize("block", ["10.0.0.0/8", "10.0.0.0/7", "100.64.0.0/10", "169.254.169.254/32"])
def test_reserved_addresses_in_public_access_cidrs_are_refused(eks: Any, wanted: dict[str, Any], block: str) -> None:
    wanted["resourcesVpcConfig"] |= {"endpointPublicAccess": True, "publicAccessCidrs": ["203.0.113.5/32", block]}
    code, message = refusal(lambda: eks.create_cluster(**wanted))

    assert code == "InvalidParameterException"
    assert f"include reserved addresses: {block}" in message


def test_whole_internet_in_public_access_cidrs_is_accepted(eks: Any, wanted: dict[str, Any]) -> None:
    wanted["resourcesVpcConfig"] |= {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]}

    assert eks.create_cluster(**wanted)["cluster"]["resourcesVpcConfig"]["publicAccessCidrs"] == ["0.0.0.0/0"]


def trusting(aws: Running, name: str, service: str, **condition: dict[str, str]) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Condition": condition}]})
    iam = aws.client("iam", PRIMARY)
    return str(iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"])


def test_cluster_role_may_be_limited_to_its_cluster(aws: Running, eks: Any, wanted: dict[str, Any]) -> None:
    account, arn = {"aws:SourceAccount": "123456789012"}, f"arn:aws:eks:{PRIMARY}:123456789012:cluster/"
    other = {"StringEquals": account, "ArnEquals": {"aws:SourceArn": f"{arn}other"}}
    wanted["roleArn"] = trusting(aws, "other", "eks.amazonaws.com", **other)
    code, message = refusal(lambda: eks.create_cluster(**wanted))
    assert (code, "does not allow eks.amazonaws.com" in message) == ("InvalidParameterException", True)

    own = {"StringEquals": account, "ArnEquals": {"aws:SourceArn": f"{arn}ml-dr"}}
    wanted["roleArn"] = trusting(aws, "own", "eks.amazonaws.com", **own)
    assert eks.create_cluster(**wanted)["cluster"]["status"] == "ACTIVE"


def test_node_role_with_a_source_condition_cannot_be_assumed_since_ec2_passes_none(
    aws: Running, eks: Any, group: dict[str, Any]
) -> None:
    group["nodeRole"] = trusting(
        aws, "limited", "ec2.amazonaws.com", StringEquals={"aws:SourceAccount": "123456789012"}
    )

    assert refusal(lambda: eks.create_nodegroup(**group))[0] == "InvalidParameterException"
