"""EKS with real control planes: creation, access by tokens, loss of a region, deletion."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
import urllib3
from botocore.exceptions import ClientError
from kubernetes import client
from kubernetes.client import ApiException

from dr.clusters.eks_token import eks_token
from sandbox import server_process
from sandbox.emulator_client import ask
from sandbox.engine.environment import environment
from sandbox.engine.launchers import install_launchers
from sandbox.local import ROOT, Local
from sandbox.server import Running, running
from sandbox.server_process import Server
from sandbox.toolchain import Toolchain
from sandbox.toolchain.kubernetes_binaries import Binaries
from tests.support.buckets import PRIMARY, RECOVERY
from tests.support.waiting import PATIENCE_SECONDS

NAME = "inference"
ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def make_cluster(ask_for: Any, region: str = RECOVERY, *, bootstrap: bool = True) -> dict[str, Any]:
    """Create a cluster in its own network; `ask_for` makes clients by service and region."""
    ec2, iam, eks = (ask_for(service, region) for service in ("ec2", "iam", "eks"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{region}{zone}")
        for number, zone in enumerate("ab")
    ]
    trust = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=f"cluster-{region}", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    made = eks.create_cluster(
        name=NAME,
        roleArn=role,
        resourcesVpcConfig={"subnetIds": [each["Subnet"]["SubnetId"] for each in subnets]},
        accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": bootstrap},
    )
    return dict(made["cluster"])


def entered(cluster: dict[str, Any], folder: Path, *, region: str = RECOVERY, name: str = NAME) -> client.ApiClient:
    """The cluster's API, with a token of the environment's credentials."""
    authority = folder / "ca.pem"
    authority.write_bytes(base64.b64decode(cluster["certificateAuthority"]["data"]))
    configuration = client.Configuration()
    configuration.host, configuration.ssl_ca_cert = cluster["endpoint"], str(authority)
    configuration.retries = urllib3.Retry(0)
    configuration.api_key = {"authorization": f"Bearer {eks_token(name, region)['status']['token']}"}
    return client.ApiClient(configuration)


def whoami(api: client.ApiClient) -> Any:
    return client.AuthenticationV1Api(api).create_self_subject_review({}).status.user_info


def use(monkeypatch: pytest.MonkeyPatch, key: str, secret: str, session: str | None = None) -> None:
    """Use an access key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    if session:
        monkeypatch.setenv("AWS_SESSION_TOKEN", session)
    else:
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    use(monkeypatch, "sandbox", "sandbox")
    with running(kubernetes=True) as started:
        yield started


@pytest.fixture
def cluster(aws: Running) -> dict[str, Any]:
    return make_cluster(aws.client)


def test_the_creator_and_access_entries_have_access_to_a_cluster(
    aws: Running, cluster: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = aws.client("eks", RECOVERY).describe_cluster(name=NAME)["cluster"]
    assert described["endpoint"] == cluster["endpoint"]
    assert described["endpoint"].startswith("https://127.0.0.1:")
    assert client.CoreV1Api(entered(cluster, tmp_path)).list_namespace().items
    assert "system:masters" in whoami(entered(cluster, tmp_path)).groups

    with pytest.raises(ApiException) as raised:
        whoami(entered(cluster, tmp_path, name="another"))
    assert raised.value.status == 401

    iam, eks = aws.client("iam", RECOVERY), aws.client("eks", RECOVERY)
    arn = iam.create_user(UserName="ada")["User"]["Arn"]
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    use(monkeypatch, key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ApiException) as raised:
        whoami(entered(cluster, tmp_path))
    assert raised.value.status == 401

    eks.create_access_entry(clusterName=NAME, principalArn=arn, kubernetesGroups=["readers"])
    assert whoami(entered(cluster, tmp_path)).groups == ["readers", "system:authenticated"]
    with pytest.raises(ApiException, match="is forbidden") as raised:
        client.CoreV1Api(entered(cluster, tmp_path)).list_namespace()
    assert raised.value.status == 403

    # A token signed with another secret is refused.
    use(monkeypatch, key["AccessKeyId"], "guessed")
    with pytest.raises(ApiException) as raised:
        whoami(entered(cluster, tmp_path))
    assert raised.value.status == 401


def test_an_assumed_role_has_access_under_its_session_name(
    aws: Running, cluster: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = aws.client("iam", RECOVERY).create_role(RoleName="operators", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
    eks = aws.client("eks", RECOVERY)
    eks.create_access_entry(clusterName=NAME, principalArn=arn)
    scope = {"type": "cluster"}
    eks.associate_access_policy(clusterName=NAME, principalArn=arn, policyArn=ADMIN_POLICY, accessScope=scope)
    session = aws.client("sts", RECOVERY).assume_role(RoleArn=arn, RoleSessionName="ada@example.com")["Credentials"]
    use(monkeypatch, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    found = whoami(entered(cluster, tmp_path))

    assert found.username.endswith("assumed-role/operators/ada-example.com")
    assert "system:masters" in found.groups


def test_a_cluster_is_lost_with_its_region_and_recovers_with_it(
    aws: Running, cluster: dict[str, Any], tmp_path: Path
) -> None:
    core = client.CoreV1Api(entered(cluster, tmp_path))
    core.create_namespace({"metadata": {"name": "kept"}})
    server = Server(os.getpid(), aws.endpoint, "", "")

    ask(server, "POST", "faults", {"kind": "region", "region": RECOVERY, "unreachable": True})

    assert aws.clusters.running() == []
    with pytest.raises(urllib3.exceptions.HTTPError):
        core.read_namespace("kept")

    ask(server, "DELETE", f"faults?region={RECOVERY}")

    assert [(region, name) for region, name, _ in aws.clusters.running()] == [(RECOVERY, NAME)]
    assert core.read_namespace("kept").metadata.name == "kept"


def test_a_token_of_a_lost_sts_gives_no_access_in_another_region(
    aws: Running, cluster: dict[str, Any], tmp_path: Path
) -> None:
    content = {"kind": "region", "region": PRIMARY, "unreachable": True}
    ask(Server(os.getpid(), aws.endpoint, "", ""), "POST", "faults", content)

    with pytest.raises(ApiException):
        whoami(entered(cluster, tmp_path, region=PRIMARY))
    assert whoami(entered(cluster, tmp_path))


def test_a_control_plane_is_deleted_with_its_cluster(aws: Running, cluster: dict[str, Any]) -> None:
    (plane,) = aws.clusters.of(RECOVERY).values()
    folder, gone = plane.plan.folder, list(plane.processes().values())

    aws.client("eks", RECOVERY).delete_cluster(name=NAME)

    assert aws.clusters.of(RECOVERY) == {}
    assert not any(map(psutil.pid_exists, gone))
    assert not folder.exists()


def test_a_cluster_is_not_created_if_its_control_plane_fails_to_start(
    aws: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = Path("/nowhere")
    monkeypatch.setattr(aws.clusters, "_binaries", Binaries(nothing, "", "named"))
    groups = len(aws.client("ec2", RECOVERY).describe_security_groups()["SecurityGroups"])

    with pytest.raises(ClientError, match="the cluster's Kubernetes did not start"):
        make_cluster(aws.client)

    assert aws.client("eks", RECOVERY).list_clusters()["clusters"] == []
    # Only the default security group of the new VPC is left.
    assert len(aws.client("ec2", RECOVERY).describe_security_groups()["SecurityGroups"]) == groups + 1


CONTEXTS = """
import sys
from kubernetes import client, config
contexts, current = config.list_kube_config_contexts()
for context in contexts:
    api = config.new_client_from_config(context=context["name"])
    names = [each.metadata.name for each in client.CoreV1Api(api).list_namespace().items]
    print(context["name"], "kube-system" in names, flush=True)
"""


def test_a_sandbox_has_a_context_per_region_and_ends_with_all_processes(
    binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Local(tmp_path / "state", tmp_path)
    toolchain = Toolchain(tmp_path / "bin" / "pulumi", "3.300.0", "PATH", None)
    install_launchers(local, toolchain)
    server = server_process.start(local, binaries.folder, os.getpid())
    try:
        variables = {**os.environ, **environment(local, server, toolchain)}
        session = boto3.Session("sandbox", "sandbox")

        def ask_for(service: str, region: str) -> Any:
            return session.client(service, region_name=region, endpoint_url=server.endpoint)

        assert json.loads(local.kubeconfig.read_text())["contexts"] == []
        for region in (PRIMARY, RECOVERY):
            make_cluster(ask_for, region)
        command = [sys.executable, "-c", CONTEXTS]
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
        assert done.stdout == f"{PRIMARY} True\n{RECOVERY} True\n", done.stderr
        clusters = ask(server, "GET", "health")["clusters"]
        assert [(each["region"], each["running"]) for each in clusters] == [(PRIMARY, True), (RECOVERY, True)]

        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) >= 2 * 6
        psutil.Process(server.pid).kill()

        assert not psutil.wait_procs(family, timeout=PATIENCE_SECONDS)[1]
    finally:
        server_process.stop(local)
