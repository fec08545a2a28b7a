import pytest

from components.traffic.certificate import Certificate, CertificateArgs
from tests.support.mocks import Cloud, deploy

NAMES = ("inference.ml.example.com", "inference-primary.ml.example.com", "inference-dr.ml.example.com")


def certificate(zone_id: str | None = "Z0ZONE") -> Cloud:
    return deploy(lambda: Certificate("tls", CertificateArgs(NAMES, "us-west-2", zone_id)))


def test_the_certificate_is_of_its_region_and_has_every_name() -> None:
    made = certificate().one("Certificate", "tls")

    assert (made["domainName"], tuple(made["subjectAlternativeNames"])) == (NAMES[0], NAMES[1:])
    assert (made["region"], made["validationMethod"]) == ("us-west-2", "DNS")


def test_the_owner_of_the_zone_proves_each_name_by_its_own_record_whatever_their_order() -> None:
    records = certificate().of("Record")

    assert {each.inputs["name"]: each.inputs["records"] for each in records.values()} == {
        f"_proof.{name}.": [f"_of-{name}.acm-validations.aws."] for name in NAMES
    }
    assert {each.inputs["zoneId"] for each in records.values()} == {"Z0ZONE"}


def test_the_other_stack_makes_no_record_and_waits_all_the_same() -> None:
    cloud = certificate(None)

    assert cloud.of("Record") == {}
    assert cloud.one("CertificateValidation", "tls-issued")["certificateArn"].endswith(":certificate/tls")


@pytest.mark.parametrize("names", [(), ("a.example.com", "a.example.com")])
def test_names_are_needed_each_of_them_once(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="needs one or more names, each of them once"):
        CertificateArgs(names, "us-west-2")
