"""ACM: a certificate is issued once the validation records of its names are in DNS. moto issues it after a minute.

A record is in DNS if its zone is public and delegated.

A name has the same validation record in all certificates and regions of an account.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from typing import Any

from moto import settings
from moto.acm.models import acm_backends
from moto.route53.models import route53_backends

from sandbox.aws.account import ACCOUNT, PARTITION
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import delegations
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers
from sandbox.aws.extensions.elbv2 import listeners_with

# moto alone would issue by the clock.
settings.ACM_VALIDATION_WAIT = 10**9


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join((ACCOUNT, *parts)).encode()).hexdigest()[:32]


def record_of(name: str) -> tuple[str, str]:
    """Name and value of the validation CNAME of a name; a wildcard has that of the name below it."""
    bare = name.removeprefix("*.")
    return f"_{_digest('name', bare)}.{bare}.", f"_{_digest('value', bare)}.xlfgrmvvlj.acm-validations.aws."


def _validated(name: str) -> bool:
    wanted, value = (part.rstrip(".") for part in record_of(name))
    return any(
        record.type == "CNAME"
        and record.name.rstrip(".") == wanted
        and value in [found.rstrip(".") for found in record.records]
        for zone in route53_backends[ACCOUNT][PARTITION].zones.values()
        if not zone.private_zone and delegations.delegated(zone)
        for record in zone.rrsets
    )


@answers("acm", "DescribeCertificate")
def describe(call: Call, moto: Moto) -> Answer:
    """Look up the validation records of a pending certificate; an issued certificate stays issued."""
    answer = moto()
    if answer.status >= 300:
        return answer
    content: dict[str, Any] = json.loads(answer.body)
    shown = content["Certificate"]
    if shown["Type"] != "AMAZON_ISSUED":
        return answer
    held = acm_backends[ACCOUNT][call.region].get_certificate(shown["CertificateArn"])
    names = [option["DomainName"] for option in shown["DomainValidationOptions"]]
    validated = {name: held.status == "ISSUED" or _validated(name) for name in names}
    if held.status == "PENDING_VALIDATION" and all(validated.values()):
        held.status = "ISSUED"
        vars(held)["issued_at"] = datetime.datetime.now(datetime.UTC).timestamp()
    shown["Status"] = held.status
    shown.pop("IssuedAt", None)
    if held.status == "ISSUED":
        shown["IssuedAt"] = vars(held).get("issued_at", shown["CreatedAt"])
    for option in shown["DomainValidationOptions"]:
        record, value = record_of(option["DomainName"])
        option["ResourceRecord"] = {"Name": record, "Type": "CNAME", "Value": value}
        option["ValidationStatus"] = "SUCCESS" if validated[option["DomainName"]] else "PENDING_VALIDATION"
    return Answer.of_json(content)


@answers("acm", "UpdateCertificateOptions")
def update_options(call: Call, moto: Moto) -> dict[str, Any]:
    """Change certificate transparency logging and export, which moto sets at the request only."""
    arn = call.parameters["CertificateArn"]
    held: Any = acm_backends[ACCOUNT][call.region]._certificates.get(arn)
    if held is None:
        raise AwsError("ResourceNotFoundException", f"Could not find certificate {arn}.")
    held.cert_options |= call.parameters["Options"]
    return {}


@answers("acm", "DeleteCertificate")
def delete(call: Call, moto: Moto) -> Answer:
    """Refuse to delete a certificate that a listener uses."""
    arn = call.parameters["CertificateArn"]
    if held := listeners_with(call.region, arn):
        raise AwsError("ResourceInUseException", f"Certificate {arn} is in use by {', '.join(held)}")
    return moto()
