from components.kubernetes import mesh_spec
from components.kubernetes.mesh import Mesh, MeshArgs
from components.kubernetes.proxy_spec import REQUEST_SECONDS
from tests.support.kubernetes import inside

REGIONS = ("us-east-1", "us-west-2")


def traffic(shared: bool = False) -> dict[str, object]:
    return dict(mesh_spec.destination_rule(REGIONS, shared)["spec"]["trafficPolicy"])


def test_destination_rule_has_the_required_values() -> None:
    assert traffic()["outlierDetection"] == {
        "consecutive5xxErrors": 3,
        "interval": "10s",
        "baseEjectionTime": "30s",
        "maxEjectionPercent": 50,
    }
    http = traffic()["connectionPool"]["http"]  # type: ignore[index]
    assert (http["h2UpgradePolicy"], http["http2MaxRequests"]) == ("UPGRADE", 1000)
    assert traffic()["loadBalancer"]["simple"] == "ROUND_ROBIN"  # type: ignore[index]
    assert mesh_spec.destination_rule(REGIONS, False)["metadata"]["name"] == "inference-failover"


def test_traffic_fails_over_only_between_zones_without_a_shared_mesh() -> None:
    assert traffic()["loadBalancer"]["localityLbSetting"] == {"enabled": True}  # type: ignore[index]


def test_regions_that_share_a_mesh_fail_over_to_each_other() -> None:
    assert traffic(shared=True)["loadBalancer"]["localityLbSetting"]["failover"] == [  # type: ignore[index]
        {"from": "us-east-1", "to": "us-west-2"},
        {"from": "us-west-2", "to": "us-east-1"},
    ]


def test_locality_failover_has_the_outlier_detection_it_requires() -> None:
    assert "outlierDetection" in traffic()


def test_retries_add_one_percent_at_most_and_exclude_started_requests() -> None:
    (route,) = mesh_spec.virtual_service()["spec"]["http"]
    http = traffic()["connectionPool"]["http"]  # type: ignore[index]

    assert route["retries"]["attempts"] == 1
    assert not {"5xx", "gateway-error", "reset", "unavailable"} & set(route["retries"]["retryOn"].split(","))
    assert http["maxRetries"] * 100 <= http["http2MaxRequests"]
    assert route["timeout"] == f"{REQUEST_SECONDS}s"


def test_destination_rule_and_virtual_service_have_the_same_host() -> None:
    cloud = inside(lambda access: Mesh("mesh", MeshArgs(access, REGIONS, shared=False)))

    (rule,), (routes,) = cloud.of("DestinationRule").values(), cloud.of("VirtualService").values()
    assert rule.inputs["spec"]["host"] == "inference-service.ml-serving.svc.cluster.local"
    assert routes.inputs["spec"]["hosts"] == [rule.inputs["spec"]["host"]]
