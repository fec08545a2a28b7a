"""Service Quotas: the quotas that this topology is checked against, by region. moto has a few of one service only.

An increase is granted at once. On AWS it takes minutes to days, and may be refused.
"""

from __future__ import annotations

import datetime
from typing import Any
from uuid import uuid4

from moto.servicequotas.models import servicequotas_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

SERVICES = {"ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "eks": "Amazon Elastic Kubernetes Service (Amazon EKS)"}
STANDARD = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
QUOTAS: dict[tuple[str, str], tuple[str, float, float]] = {
    ("ec2", "L-DB2E81BA"): ("Running On-Demand G and VT instances", 0.0, 768.0),
    ("ec2", "L-417A185B"): ("Running On-Demand P instances", 0.0, 384.0),
    ("ec2", "L-1216C47A"): (STANDARD, 5.0, 640.0),
    ("ec2", "L-3819A6DF"): ("All G and VT Spot Instance Requests", 0.0, 0.0),
    ("ec2", "L-7212CCBC"): ("All P4, P3 and P2 Spot Instance Requests", 0.0, 0.0),
    ("eks", "L-1194D53C"): ("Clusters", 100.0, 100.0),
}
"""By service and code: name, AWS's default, and the initial value in the sandbox.

Source: AWS General Reference, endpoints and quotas of EC2 and EKS.
"""


def values(region: str) -> dict[tuple[str, str], float]:
    """Values of a region's quotas that were changed, kept with moto's own state."""
    kept: dict[tuple[str, str], float] = vars(servicequotas_backends[ACCOUNT][region]).setdefault("quotas", {})
    return kept


def set_value(region: str, service: str, code: str, value: float) -> None:
    """Set a quota. Raises ValueError for an unknown quota."""
    if (service, code) not in QUOTAS:
        raise ValueError(f"known quotas are {', '.join(f'{of}/{name}' for of, name in QUOTAS)}; got {service}/{code}")
    values(region)[service, code] = value


def _quota(region: str, service: str, code: str, default: bool = False) -> dict[str, Any]:
    if (service, code) not in QUOTAS:
        message = f"The request failed because the specified quota does not exist: {service} {code}"
        raise AwsError("NoSuchResourceException", message)
    name, awss, ours = QUOTAS[service, code]
    return {
        "ServiceCode": service,
        "ServiceName": SERVICES[service],
        "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT}:{service}/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": awss if default else values(region).get((service, code), ours),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@answers("service-quotas", "GetServiceQuota")
def get(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    if call.parameters["ServiceCode"] not in SERVICES:
        return moto()
    return {"Quota": _quota(call.region, call.parameters["ServiceCode"], call.parameters["QuotaCode"])}


@answers("service-quotas", "GetAWSDefaultServiceQuota")
def get_default(call: Call, moto: Moto) -> dict[str, Any]:
    return {"Quota": _quota(call.region, call.parameters["ServiceCode"], call.parameters["QuotaCode"], default=True)}


@answers("service-quotas", "ListServiceQuotas", "ListAWSDefaultServiceQuotas")
def list_quotas(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    wanted, default = call.parameters["ServiceCode"], call.operation == "ListAWSDefaultServiceQuotas"
    if wanted not in SERVICES:
        return moto()
    return {"Quotas": [_quota(call.region, *key, default=default) for key in QUOTAS if key[0] == wanted]}


@answers("service-quotas", "RequestServiceQuotaIncrease")
def request_increase(call: Call, moto: Moto) -> dict[str, Any]:
    wanted = call.parameters
    quota = _quota(call.region, wanted["ServiceCode"], wanted["QuotaCode"])
    if wanted["DesiredValue"] <= quota["Value"]:
        raise AwsError("IllegalArgumentException", f"The requested value is not above the current {quota['Value']:g}")
    set_value(call.region, wanted["ServiceCode"], wanted["QuotaCode"], wanted["DesiredValue"])
    shown = {name: quota[name] for name in ("ServiceCode", "ServiceName", "QuotaCode", "QuotaName", "QuotaArn")}
    now = datetime.datetime.now(datetime.UTC)
    request = {"Id": uuid4().hex, "DesiredValue": wanted["DesiredValue"], "Status": "APPROVED", "Created": now}
    _requests(call.region).append(shown | request | {"LastUpdated": now, "GlobalQuota": False, "Unit": "None"})
    return {"RequestedQuota": _requests(call.region)[-1]}


def _requests(region: str) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = vars(servicequotas_backends[ACCOUNT][region]).setdefault("requests", [])
    return kept


@answers(
    "service-quotas",
    "ListRequestedServiceQuotaChangeHistory",
    "ListRequestedServiceQuotaChangeHistoryByQuota",
)
def list_requests(call: Call, moto: Moto) -> dict[str, Any]:
    """List requests by service, quota and status."""
    wanted = {key: call.parameters[key] for key in ("ServiceCode", "QuotaCode", "Status") if key in call.parameters}
    return {"RequestedQuotas": [each for each in _requests(call.region) if wanted.items() <= each.items()]}


@answers("service-quotas", "GetRequestedServiceQuotaChange")
def get_request(call: Call, moto: Moto) -> dict[str, Any]:
    for each in _requests(call.region):
        if each["Id"] == call.parameters["RequestId"]:
            return {"RequestedQuota": each}
    raise AwsError("NoSuchResourceException", f"Request {call.parameters['RequestId']} does not exist in {call.region}")
