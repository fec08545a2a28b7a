from typing import Any

import pytest

from dr.operations import pending_operations
from dr.operations.pending_operations import AGAIN, BY_NAME, BY_TAG, Pending, adopted, pending
from sandbox.aws_plugin.catalog import CATALOG

ADDRESS = "urn:pulumi:dr::dr::dr:data:Network$aws:ec2/eip:Eip::network-nat-a-address"
CLUSTER = "urn:pulumi:dr::dr::aws:eks/cluster:Cluster::cluster"


def resource(urn: str, **changes: Any) -> dict[str, Any]:
    made = {"urn": urn, "custom": True, "type": urn.split("::")[2].rpartition("$")[2]}
    return {**made, "inputs": {"region": "us-west-2", "name": "ml-dr"}, **changes}


def deployment(*operations: tuple[str, str], resources: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    pending = [{"resource": resource(urn), "type": doing} for doing, urn in operations]
    return {"resources": list(resources), "pending_operations": pending}


def test_pending_operation_is_listed_once_with_type_name_and_region() -> None:
    (one,) = pending(deployment(("creating", ADDRESS), ("creating", ADDRESS)))

    assert (one.type, one.name, one.doing) == ("aws:ec2/eip:Eip", "network-nat-a-address", "creating")
    assert one.region == "us-west-2"


@pytest.mark.parametrize("state", [{}, {"pending_operations": None}, {"resources": []}])
def test_state_without_pending_operations_lists_none(state: dict[str, Any]) -> None:
    assert pending(state) == []


def test_adopted_creation_is_refreshed_before_the_next_update() -> None:
    result = adopted(deployment(("creating", CLUSTER)), {CLUSTER: "ml-dr"})

    (made,) = result["resources"]
    assert (made["urn"], made["id"], made["refreshBeforeUpdate"]) == (CLUSTER, "ml-dr", True)
    assert made["outputs"] == {**made["inputs"], "id": "ml-dr"}
    assert "pending_operations" not in result


def test_pending_creation_without_a_resource_is_removed_from_the_state() -> None:
    assert adopted(deployment(("creating", CLUSTER)), {}) == {"resources": []}


def test_resource_with_an_interrupted_update_is_refreshed_before_the_next_update() -> None:
    (held,) = adopted(deployment(("updating", CLUSTER), resources=(resource(CLUSTER, id="ml-dr"),)), {})["resources"]

    assert held["refreshBeforeUpdate"]


def test_replaced_resource_is_deleted_after_its_adopted_replacement() -> None:
    old = resource(ADDRESS, id="eipalloc-old")
    first, second = adopted(deployment(("creating", ADDRESS), resources=(old,)), {ADDRESS: "eipalloc-new"})["resources"]

    assert (first["id"], first.get("delete")) == ("eipalloc-new", None)
    assert (second["id"], second["delete"]) == ("eipalloc-old", True)


def test_resource_already_in_the_state_is_not_adopted_again() -> None:
    held = resource(CLUSTER, id="ml-dr")

    assert adopted(deployment(("creating", CLUSTER), resources=(held,)), {CLUSTER: "ml-dr"}) == {"resources": [held]}


def test_adoption_does_not_modify_its_input_state() -> None:
    given = deployment(("updating", CLUSTER), resources=(resource(CLUSTER, id="ml-dr"),))
    adopted(given, {})

    assert "refreshBeforeUpdate" not in given["resources"][0]
    assert given["pending_operations"]


@pytest.mark.parametrize(
    ("kind", "inputs", "id"),
    [
        ("eks/nodeGroup:NodeGroup", {"clusterName": "c", "nodeGroupName": "gpu"}, "c:gpu"),
        ("route53/record:Record", {"zoneId": "Z1", "name": "a.example.com", "type": "CNAME"}, "Z1_a.example.com_CNAME"),
        (
            "route53/record:Record",
            {"zoneId": "Z1", "name": "a.example.com", "type": "CNAME", "setIdentifier": "primary"},
            "Z1_a.example.com_CNAME_primary",
        ),
        ("scheduler/schedule:Schedule", {"name": "heartbeat"}, "default/heartbeat"),
        ("cloudwatch/logGroup:LogGroup", {"name": "/logs_"}, "/logs_"),
        ("eks/cluster:Cluster", {}, None),
        ("ec2/eip:Eip", {"name": "x"}, None),
    ],
)
def test_resource_id_is_derived_from_inputs_where_possible(kind: str, inputs: dict[str, str], id: str | None) -> None:
    assert Pending(f"urn:pulumi:dr::dr::aws:{kind}::x", "creating", inputs).named_id == id


@pytest.mark.parametrize(
    ("arn", "id"),
    [
        ("arn:aws:ec2:us-west-2:1:natgateway/nat-0a", "nat-0a"),
        ("arn:aws:eks:us-west-2:1:podidentityassociation/ml-dr/a-0b", "a-0b"),
        ("arn:aws:backup:us-west-2:1:backup-plan:0c", "0c"),
        ("arn:aws:route53:::healthcheck/0d", "0d"),
        ("arn:aws:acm:us-west-2:1:certificate/0e", "arn:aws:acm:us-west-2:1:certificate/0e"),
    ],
)
def test_pulumi_id_is_derived_from_the_arn(arn: str, id: str) -> None:
    assert pending_operations.id_of_arn(arn) == id


def test_every_resource_type_has_exactly_one_way_of_adoption() -> None:
    ways = [set(AGAIN), set(BY_NAME), set(BY_TAG), {"aws:backup/selection:Selection"}]

    assert set.union(*ways) == set(CATALOG)
    assert sum(map(len, ways)) == len(CATALOG)


@pytest.mark.parametrize(
    ("kind", "harmless"),
    [
        ("pulumi:providers:kubernetes", True),
        ("kubernetes:apps/v1:Deployment", False),
        ("aws:s3/bucketVersioning:BucketVersioning", True),
        ("aws:ec2/natGateway:NatGateway", False),
    ],
)
def test_resource_types_that_can_be_created_twice_are_harmless(kind: str, harmless: bool) -> None:
    assert Pending(f"urn:pulumi:dr::dr::{kind}::x", "creating").harmless is harmless


@pytest.mark.parametrize(
    ("kind", "inputs", "id"),
    [
        ("apps/v1:Deployment", {"metadata": {"namespace": "ml-serving", "name": "inference"}}, "ml-serving/inference"),
        ("core/v1:Namespace", {"metadata": {"name": "mlflow"}}, "mlflow"),
        ("helm.sh/v3:Release", {"namespace": "velero", "name": "velero", "chart": "velero"}, "velero/velero"),
        ("core/v1:Namespace", {}, None),
    ],
)
def test_kubernetes_object_id_is_namespace_and_name(kind: str, inputs: dict[str, Any], id: str | None) -> None:
    assert Pending(f"urn:pulumi:dr::dr::kubernetes:{kind}::x", "creating", inputs).named_id == id


def test_types_found_by_tag_support_tags() -> None:
    assert {kind for kind in BY_TAG if CATALOG[kind].tags is None} == set()
