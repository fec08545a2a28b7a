import pytest

from components.traffic.hosted_zone import HostedZone, HostedZoneArgs
from tests.support.mocks import Cloud, deploy


def zone(**changes: object) -> Cloud:
    values = {"domain": "ml.example.com", **changes}
    return deploy(lambda: HostedZone("zone", HostedZoneArgs(**values)))  # type: ignore[arg-type]


def test_hosted_zone_is_created_only_if_none_exists() -> None:
    assert zone().one("Zone", "zone")["name"] == "ml.example.com"
    assert zone(existing="Z0EXISTING").of("Zone") == {}


@pytest.mark.parametrize("protect", [True, False])
def test_protect_protects_a_new_zone(protect: bool) -> None:
    made = zone(protect=protect).of("Zone")["zone"]

    assert (made.protect, made.retain_on_delete) == (protect, protect)
