"""Certificates, and waiting for them to be issued.

After internal/service/acm/{certificate,certificate_validation}.go of the provider that the real plugin wraps
(terraform-provider-aws).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.aws_plugin.calls import Call, tagged
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import Problem, Resource, ResourceType
from sandbox.aws_plugin.plugin import SandboxError

ISSUED_WITHIN_SECONDS = 10.0
"""The real plugin waits 75 minutes; the sandbox issues a certificate as soon as its records exist."""
LOOK_EVERY_SECONDS = 0.2


def _describe(certificate: Resource, arn: str) -> dict[str, Any]:
    found: dict[str, Any] = certificate.send("describe_certificate", CertificateArn=arn)["Certificate"]
    return found


def _read(certificate: Resource) -> dict[str, Any]:
    found = _describe(certificate, certificate.id)
    records = [
        {
            "domainName": option["DomainName"],
            "resourceRecordName": option["ResourceRecord"]["Name"],
            "resourceRecordType": option["ResourceRecord"]["Type"],
            "resourceRecordValue": option["ResourceRecord"]["Value"],
        }
        for option in found.get("DomainValidationOptions", ())
        if "ResourceRecord" in option
    ]
    method = next((option.get("ValidationMethod") for option in found.get("DomainValidationOptions", ())), None)
    # ACM lists the certificate's own name among the alternative names; the plugin expects that.
    wanted = certificate["subjectAlternativeNames"] or ()
    others = [name for name in found["SubjectAlternativeNames"] if name != found["DomainName"] or name in wanted]
    return {**found, "Records": records, "ValidationMethod": method, "SubjectAlternativeNames": others}


def _names(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    for path, name in (("domainName", inputs.get("domainName", "")), *_others(inputs)):
        if name.endswith("."):
            yield path, f"{name!r} ends with a period"


def _others(inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (f"subjectAlternativeNames[{index}]", name)
        for index, name in enumerate(inputs.get("subjectAlternativeNames", ()))
    ]


CERTIFICATE = ResourceType(
    token="aws:acm/certificate:Certificate",
    service="acm",
    shape="RequestCertificateRequest",
    properties="domainName! subjectAlternativeNames:set validationMethod keyAlgorithm",
    outputs="""arn=CertificateArn:string status=Status:string
               domainValidationOptions=Records:list{domainName=domainName:string
                   resourceRecordName=resourceRecordName:string resourceRecordType=resourceRecordType:string
                   resourceRecordValue=resourceRecordValue:string}""",
    identity="{CertificateArn}",
    computed=frozenset({"subjectAlternativeNames", "keyAlgorithm"}),
    replace_on=frozenset({"domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm"}),
    checks=(_names,),
    create=Call("request_certificate", identifier="CertificateArn"),
    read=_read,
    delete=Call("delete_certificate", retries=("ResourceInUse",)),
    tags=tagged(
        "CertificateArn",
        operations=("list_tags_for_certificate", "add_tags_to_certificate", "remove_tags_from_certificate"),
        names="Tags",
    ),
)


def _wait(validation: Resource) -> None:
    """Wait until the certificate is issued. Raises SandboxError with the missing record."""
    arn = validation.wanted["certificateArn"]
    found = _describe(validation, arn)
    if found.get("Type") != "AMAZON_ISSUED":
        raise SandboxError(f"{arn} has type {found.get('Type')}: no validation necessary")
    wanted = {option["ResourceRecord"]["Name"].rstrip(".") for option in found["DomainValidationOptions"]}
    given = [name.rstrip(".") for name in validation.wanted.get("validationRecordFqdns", ())]
    if given and (missing := sorted(wanted - set(given))):
        raise SandboxError(f"missing {found['DomainName']} DNS validation record: {', '.join(missing)}")
    end = time.monotonic() + ISSUED_WITHIN_SECONDS
    while (found := _describe(validation, arn))["Status"] != "ISSUED":
        if time.monotonic() > end:
            open_ = [option for option in found["DomainValidationOptions"] if option["ValidationStatus"] != "SUCCESS"]
            records = [
                f"{option['ResourceRecord']['Name']} CNAME {option['ResourceRecord']['Value']}" for option in open_
            ]
            where = "in no public zone of Route 53"
            raise SandboxError(f"{arn} is {found['Status']}: {where} is the record {', '.join(records)}")
        time.sleep(LOOK_EVERY_SECONDS)
    validation.id = found["IssuedAt"].isoformat()


def _still_issued(validation: Resource) -> dict[str, Any] | None:
    arn = validation["certificateArn"]
    if not arn:
        return None  # it cannot be imported
    try:
        issued = _describe(validation, arn)["Status"] == "ISSUED"
    except Refused as error:
        if "NotFound" in error.code:
            return None
        raise
    return {"CertificateArn": arn, "Records": validation["validationRecordFqdns"]} if issued else None


VALIDATION = ResourceType(
    token="aws:acm/certificateValidation:CertificateValidation",
    service="acm",
    properties="certificateArn=CertificateArn:string! validationRecordFqdns=Records:set",
    replace_on=frozenset({"certificateArn", "validationRecordFqdns"}),
    computed=frozenset({"validationRecordFqdns"}),
    create=_wait,
    read=_still_issued,
    delete=lambda _: None,
)

TYPES = (CERTIFICATE, VALIDATION)
