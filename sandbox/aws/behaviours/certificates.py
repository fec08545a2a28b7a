"""Days until the certificates of ACM expire, as a metric.

Source: "Supported CloudWatch metrics" of the ACM user guide: published twice a day until the certificate has expired.
The sandbox publishes the first value at once.
"""

from __future__ import annotations

import datetime
from typing import Any

from moto.acm.models import CertBundle, acm_backends
from moto.cloudwatch.models import cloudwatch_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.faults import Faults

NAMESPACE, METRIC = "AWS/CertificateManager", "DaysToExpiry"
EVERY = datetime.timedelta(hours=12)


def publish(faults: Faults, minute: datetime.datetime) -> None:
    """Publish the metric of each issued certificate that is due."""
    time = minute.astimezone(datetime.UTC).replace(tzinfo=None)
    for region, backend in list(acm_backends[ACCOUNT].items()):
        if faults.unreachable(region):
            continue
        for certificate in list(backend._certificates.values()):
            if datum := _datum(certificate, time):
                cloudwatch_backends[ACCOUNT][region].put_metric_data(NAMESPACE, [datum])


def _datum(certificate: CertBundle, time: datetime.datetime) -> dict[str, Any] | None:
    kept = vars(certificate)
    left = certificate._not_valid_after(certificate._cert) - time
    due = "expiry_published" not in kept or time - kept["expiry_published"] >= EVERY
    if certificate.status != "ISSUED" or left < datetime.timedelta() or not due:
        return None
    kept["expiry_published"] = time
    of = [{"Name": "CertificateArn", "Value": certificate.arn}]
    return {"MetricName": METRIC, "Value": left.days, "Dimensions": of, "Timestamp": time, "Unit": "None"}
