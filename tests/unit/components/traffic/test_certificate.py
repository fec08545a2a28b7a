import pytest

from components.traffic.certificate import Certificate, CertificateArgs
from tests.support.mocks import Cloud, deploy

NAMES = ("inference.ml.example.com", "inference-primary.ml.example.com", "inference-dr.ml.example.com")


def certificate(zone_id: str | None = "Z0ZONE") -> Cloud:
    return deploy(lambda: Certificate("tls", CertificateArgs(NAMES, "us-west-2", zone_id)))


def test_a_certificate_is_in_its_region_and_has_every_name() -> None:
    made = certificate().one("Certificate", "tls")

    assert (made["domainName"], tuple(made["subjectAlternativeNames"])) == (NAMES[0], NAMES[1:])
    assert (made["region"], made["validationMethod"]) == ("us-west-2", "DNS")


def test_certificate_with_a_zone_has_a_validation_record_for_each_name_in_any_order() -> None:
    records = certificate().of("Record")

    assert {each.inputs["name"]: each.inputs["records"] for each in records.values()} == {
        f"_proof.{name}.": [f"_of-{name}.acm-validations.aws."] for name in NAMES
    }
    assert {each.inputs["zoneId"] for each in records.values()} == {"Z0ZONE"}
    assert all(each.inputs["allowOverwrite"] for each in records.values()), "another certificate may have made them"


def test_certificate_without_a_zone_is_awaited_and_has_no_validation_record() -> None:
    cloud = certificate(None)

    assert cloud.of("Record") == {}
    assert cloud.one("CertificateValidation", "tls-issued")["certificateArn"].endswith(":certificate/tls")


@pytest.mark.parametrize("names", [(), ("a.example.com", "a.example.com")])
def test_missing_or_repeated_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one name is required, and names must be unique"):
        CertificateArgs(names, "us-west-2")
