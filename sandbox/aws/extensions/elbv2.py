"""Elastic Load Balancing: names and zones in AWS's form, deletion protection, certificates, target health."""

from __future__ import annotations

import hashlib
from typing import Any

from moto.acm.models import acm_backends
from moto.elbv2.models import elbv2_backends

from sandbox.aws.account import ACCOUNT
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours import target_health
from sandbox.aws.call import Call
from sandbox.aws.extensions import Moto, answers

MOTOS_ZONE = b"Z2P70J7EXAMPLE"
ZONES = {
    **{"us-east-1": "Z26RNL4JYFTOTI", "us-east-2": "ZLMOA37VPKANP"},
    **{"us-west-1": "Z24FKFUX50B4VW", "us-west-2": "Z18D5FSROUN65G"},
    **{"ca-central-1": "Z2EPGBW3API2WT", "sa-east-1": "ZTK26PT1VY4CU"},
    **{"eu-west-1": "Z2IFOLAFXWLO4F", "eu-west-2": "ZD4D7Y8KGAS4G", "eu-west-3": "Z1CMS0P5QUZ6D5"},
    **{"eu-central-1": "Z3F0SRJ5LGBH90", "eu-north-1": "Z1UDT6IFJ4EJM"},
    **{"ap-southeast-1": "ZKVM4W9LS7TM", "ap-southeast-2": "ZCT6FZBF4DROD", "ap-south-1": "ZVDDRBQ08TROA"},
    **{"ap-northeast-1": "Z31USIVHYNEOWT", "ap-northeast-2": "ZIBE1TIR4HY56"},
}
"""Hosted zones of network load balancers (AWS General Reference, "Elastic Load Balancing endpoints and quotas")."""


def _renamed(call: Call, answer: Answer) -> Answer:
    """Replace names of network load balancers and hosted zones by their form on AWS."""
    body = answer.body.replace(MOTOS_ZONE, ZONES.get(call.region, MOTOS_ZONE.decode()).encode())
    for balancer in elbv2_backends[ACCOUNT][call.region].load_balancers.values():
        if balancer.type == "network" and ".elb." not in balancer.dns_name.partition(call.region)[0]:
            digest = hashlib.sha256(balancer.arn.encode()).hexdigest()[:16]
            named = f"{balancer.name}-{digest}.elb.{call.region}.amazonaws.com"
            body = body.replace(balancer.dns_name.encode(), named.encode())
            balancer.dns_name = named
    return Answer(answer.status, body, answer.headers)


@answers("elbv2", "CreateLoadBalancer", "DescribeLoadBalancers")
def named(call: Call, moto: Moto) -> Answer:
    return _renamed(call, moto())


@answers("elbv2", "DeleteLoadBalancer")
def delete(call: Call, moto: Moto) -> Answer:
    arn = call.parameters["LoadBalancerArn"]
    balancer = elbv2_backends[ACCOUNT][call.region].load_balancers.get(arn)
    if balancer and balancer.attrs.get("deletion_protection.enabled") == "true":
        message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        raise AwsError("OperationNotPermitted", message)
    return moto()


@answers("elbv2", "CreateListener")
def create_listener(call: Call, moto: Moto) -> Answer:
    _refuse_certificates(call)
    return moto()


@answers("elbv2", "ModifyListener")
def modify_listener(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Change a TLS listener, which moto cannot."""
    _refuse_certificates(call)
    wanted = call.parameters
    if wanted.get("Protocol") != "TLS":
        return moto()
    backend, arn = elbv2_backends[ACCOUNT][call.region], wanted["ListenerArn"]
    policy, actions = wanted.get("SslPolicy"), wanted.get("DefaultActions")
    listener = backend.modify_listener(arn, wanted.get("Port"), None, policy, [], actions)
    listener.protocol = "TLS"
    if "Certificates" in wanted:
        listener.certificates = [each["CertificateArn"] for each in wanted["Certificates"]]
        listener.certificate = listener.certificates[0]
    shown = {"ListenerArn": arn, "Port": listener.port, "Protocol": "TLS", "SslPolicy": listener.ssl_policy}
    return {"Listeners": [{**shown, "LoadBalancerArn": listener.load_balancer_arn}]}


@answers("elbv2", "DescribeTargetHealth")
def describe_target_health(call: Call, moto: Moto) -> Answer | dict[str, Any]:
    """Report the load balancer's own checks where Kubernetes runs; moto always reports healthy."""
    kubernetes, arn = call.world.kubernetes, call.parameters["TargetGroupArn"]
    group = elbv2_backends[ACCOUNT][call.region].target_groups.get(arn)
    if not kubernetes.on or group is None or group.target_type != "ip":
        return moto()
    found = target_health.of(group, kubernetes.target_speed).describe(
        lambda target: kubernetes.answers(call.region, target, group.health_check_path or "/"),
        call.parameters.get("Targets", []),
    )
    return {"TargetHealthDescriptions": found}


def _refuse_certificates(call: Call) -> None:
    """Refuse a certificate that does not exist or is not issued."""
    for certificate in call.parameters.get("Certificates", ()):
        arn = certificate["CertificateArn"]
        held: Any = acm_backends[ACCOUNT][call.region]._certificates.get(arn)
        if held is None:
            raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found")
        if held.status != "ISSUED":
            domain = held.common_name
            message = f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a "
            raise AwsError("UnsupportedCertificate", f"{message}supported key size; {domain} is {held.status}.")


def listeners_with(region: str, certificate: str) -> list[str]:
    """ARNs of the listeners that use a certificate."""
    return [
        listener.arn
        for balancer in elbv2_backends[ACCOUNT][region].load_balancers.values()
        for listener in balancer.listeners.values()
        if certificate in (listener.certificate, *listener.certificates)
    ]
