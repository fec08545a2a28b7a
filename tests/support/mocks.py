"""Pulumi mocks: a cloud in memory that computes IDs and ARNs by type and records resources."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime import mocks, settings

from tests.support.builders import ACCOUNT

Computed = Callable[[str, dict[str, Any], str], tuple[str, dict[str, Any]]]
"""Function of logical name, inputs and region; returns the ID and the outputs that AWS adds."""


def _bucket(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    bucket = inputs.get("bucket", name)
    return bucket, {"bucket": bucket, "arn": f"arn:aws:s3:::{bucket}", "bucketRegion": region}


def _key(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return f"key-{name}", {"keyId": f"key-{name}", "arn": f"arn:aws:kms:{region}:{ACCOUNT}:key/key-{name}"}


def _role(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    role = inputs.get("name", f"{name}-0a1b2c3")
    return role, {"name": role, "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"}


def _profile(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    profile = inputs.get("name", f"{name}-0a1b2c3")
    return profile, {"name": profile, "arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"}


def _zone(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    zone = f"Z0{name.upper().replace('-', '')}"
    return zone, {"zoneId": zone, "nameServers": [f"ns-{n}.example.net" for n in range(4)]}


def _check(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return f"id-of-{name}", {"arn": f"arn:aws:route53:::healthcheck/id-of-{name}"}


def _alarm(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    alarm = inputs["name"]
    return alarm, {"arn": f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{alarm}"}


def _vault(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    vault = inputs["name"]
    return vault, {"arn": f"arn:aws:backup:{region}:{ACCOUNT}:backup-vault:{vault}"}


def _ec2(kind: str, prefix: str) -> Computed:
    """Return a function for EC2 IDs, with the logical name in place of the digits."""

    def computed(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
        identity = f"{prefix}-{name}"
        return identity, {"arn": f"arn:aws:ec2:{region}:{ACCOUNT}:{kind}/{identity}"}

    return computed


def _log_group(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return inputs["name"], {"arn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{inputs['name']}"}


def _regional(service: str, kind: str, **more: Any) -> Computed:
    """Return a function for the ARN of a regional service, and further outputs."""

    def computed(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
        arn = f"arn:aws:{service}:{region}:{ACCOUNT}:{kind}/{inputs.get('name', name)}"
        return arn, {"arn": arn, **{key: value.format(region=region, name=name) for key, value in more.items()}}

    return computed


def _cluster(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    network = {**inputs["vpcConfig"], "clusterSecurityGroupId": f"sg-of-{inputs['name']}", "vpcId": "vpc-of-cluster"}
    return inputs["name"], {
        "endpoint": f"https://{name}.gr7.{region}.eks.amazonaws.com",
        "arn": f"arn:aws:eks:{region}:{ACCOUNT}:cluster/{inputs['name']}",
        "certificateAuthority": {"data": "UEVN"},
        "vpcConfig": network,
    }


def _node_group(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    group = inputs.get("nodeGroupName", f"{name}-0a1b2c3")
    made = [{"autoscalingGroups": [{"name": f"eks-{group}-0a1b2c3"}]}]
    return f"{inputs['clusterName']}:{group}", {"resources": made}


def _topic(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    arn = f"arn:aws:sns:{region}:{ACCOUNT}:{inputs['name']}"
    return arn, {"arn": arn}


def _queue(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    url = f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{inputs['name']}"
    return url, {"arn": f"arn:aws:sqs:{region}:{ACCOUNT}:{inputs['name']}", "url": url}


def _function(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return inputs["name"], {"arn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:{inputs['name']}"}


def _template(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return f"lt-{name}", {"latestVersion": 1, "defaultVersion": 1}


def _certificate(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    arn = f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{name}"
    names = [inputs["domainName"], *inputs.get("subjectAlternativeNames", ())]
    # In another order than requested, as ACM returns them.
    options = [
        {
            "domainName": each,
            "resourceRecordName": f"_proof.{each}.",
            "resourceRecordType": "CNAME",
            "resourceRecordValue": f"_of-{each}.acm-validations.aws.",
        }
        for each in reversed(names)
    ]
    return arn, {"arn": arn, "domainValidationOptions": options}


def _database(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    cluster = inputs["clusterIdentifier"]
    return cluster, {
        "arn": f"arn:aws:rds:{region}:{ACCOUNT}:cluster:{cluster}",
        "endpoint": f"{cluster}.cluster-0a1b2c3.{region}.rds.amazonaws.com",
        "readerEndpoint": f"{cluster}.cluster-ro-0a1b2c3.{region}.rds.amazonaws.com",
    }


def _global_cluster(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    world = inputs["globalClusterIdentifier"]
    return world, {"endpoint": f"{world}.global-0a1b2c3.global.rds.amazonaws.com"}


def _secret(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    arn = f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:{inputs['name']}-0a1b2c"
    return arn, {"arn": arn}


def _of_bucket(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return inputs["bucket"], {}


def _other(name: str, inputs: dict[str, Any], region: str) -> tuple[str, dict[str, Any]]:
    return f"id-of-{name}", {}


COMPUTED: dict[str, Computed] = {
    "aws:s3/bucket:Bucket": _bucket,
    "aws:s3/bucketVersioning:BucketVersioning": _of_bucket,
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": _of_bucket,
    "aws:kms/key:Key": _key,
    "aws:rds/cluster:Cluster": _database,
    "aws:rds/globalCluster:GlobalCluster": _global_cluster,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:ec2/vpc:Vpc": _ec2("vpc", "vpc"),
    "aws:ec2/subnet:Subnet": _ec2("subnet", "subnet"),
    "aws:ec2/internetGateway:InternetGateway": _ec2("internet-gateway", "igw"),
    "aws:ec2/routeTable:RouteTable": _ec2("route-table", "rtb"),
    "aws:ec2/natGateway:NatGateway": _ec2("natgateway", "nat"),
    "aws:ec2/eip:Eip": _ec2("elastic-ip", "eipalloc"),
    "aws:ec2/securityGroup:SecurityGroup": _ec2("security-group", "sg"),
    "aws:ec2/launchTemplate:LaunchTemplate": _template,
    "aws:eks/cluster:Cluster": _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:acm/certificate:Certificate": _certificate,
    "aws:lb/loadBalancer:LoadBalancer": _regional(
        "elasticloadbalancing", "loadbalancer", dnsName="{name}-0123456789abcdef.elb.{region}.amazonaws.com"
    ),
    "aws:sns/topic:Topic": _topic,
    "aws:sqs/queue:Queue": _queue,
    "aws:lambda/function:Function": _function,
    "aws:lb/targetGroup:TargetGroup": _regional("elasticloadbalancing", "targetgroup"),
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:iam/role:Role": _role,
    "aws:iam/instanceProfile:InstanceProfile": _profile,
    "aws:backup/vault:Vault": _vault,
    "aws:backup/logicallyAirGappedVault:LogicallyAirGappedVault": _vault,
    "aws:route53/zone:Zone": _zone,
    "aws:route53/healthCheck:HealthCheck": _check,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _alarm,
}


@dataclass
class RecordedResource:
    """A resource that the program registered."""

    type: str
    name: str
    inputs: dict[str, Any]
    protect: bool = False
    retain_on_delete: bool = False
    parent: str = ""
    delete_before_replace: bool = False
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """URNs of the resources from which an input is made, by the input's name."""
    dependencies: frozenset[str] = frozenset()
    """Names of the resources that it waits for."""
    aliases: tuple[str, ...] = ()
    """Types that it had in earlier versions of the program."""


@dataclass
class Cloud(mocks.Mocks):
    """Records resources and exports; computes outputs."""

    outputs_of_primary: Mapping[str, Any] = field(default_factory=dict)
    resources: list[RecordedResource] = field(default_factory=list)
    components: dict[str, RecordedResource] = field(default_factory=dict)
    """Components by name, without inputs."""
    exports: dict[str, Any] = field(default_factory=dict)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Return the ID and the outputs of a new resource, as AWS would."""
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.inputs["name"], "outputs": dict(self.outputs_of_primary)}
        if not args.custom and not args.resource_id:
            return "", dict(args.inputs)
        if args.resource_id:
            identity = args.resource_id
            extra = COMPUTED[args.typ](args.name, {"bucket": identity, "name": identity}, "")[1]
        else:
            region = args.inputs.get("region", "global")
            identity, extra = COMPUTED.get(args.typ, _other)(args.name, args.inputs, region)
            self.resources.append(RecordedResource(args.typ, args.name, dict(args.inputs)))
        return identity, {**args.inputs, **extra}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Refuse function calls, which no program makes."""
        raise AssertionError(f"unexpected call of {args.token}")

    def of(self, short: str) -> dict[str, RecordedResource]:
        """Return resources by name, by the end of their type: "BucketPolicy"."""
        return {made.name: made for made in self.resources if made.type.endswith(f":{short}")}

    def one(self, short: str, name: str) -> dict[str, Any]:
        """Return the inputs of one resource."""
        return self.of(short)[name].inputs


@contextmanager
def _options_recorded(cloud: Cloud) -> Iterator[None]:
    """Record resource options from the requests, because the mock monitor does not pass them to mocks."""
    original: Any = mocks.MockMonitor.RegisterResource
    options: dict[tuple[str, str], Any] = {}

    def register(self: Any, request: Any) -> Any:
        options[request.type, request.name] = request
        return original(self, request)

    with mock.patch.object(mocks.MockMonitor, "RegisterResource", register):
        yield
    for (type, name), request in options.items():
        if not request.custom:
            cloud.components[name] = RecordedResource(type, name, {})
    for made in (*cloud.resources, *cloud.components.values()):
        request = options[made.type, made.name]
        made.protect, made.retain_on_delete, made.parent = request.protect, request.retainOnDelete, request.parent
        made.delete_before_replace = request.deleteBeforeReplace
        made.sources = {name: list(sources.urns) for name, sources in request.propertyDependencies.items()}
        made.dependencies = frozenset(urn.rpartition("::")[2] for urn in request.dependencies)
        made.aliases = tuple(alias.spec.type for alias in request.aliases)


def deploy(build: Callable[[], object], stack: str = "primary", cloud: Cloud | None = None) -> Cloud:
    """Run code against a cloud in memory; return the recorded resources and exports."""
    target = cloud or Cloud()
    # A new root resource: the SDK keeps its own, with the transformations of previous programs.
    settings.set_root_resource(None)  # type: ignore[arg-type]
    pulumi.runtime.set_mocks(target, project="dr", stack=stack, preview=False)
    pulumi.runtime.set_all_config({"aws:region": "us-east-1"})

    def export(name: str, value: object) -> None:
        pulumi.Output.from_input(value).apply(lambda resolved: target.exports.update({name: resolved}))

    with mock.patch("pulumi.export", export), _options_recorded(target):
        as_test: Any = pulumi.runtime.test  # without annotations
        as_test(build)()
    return target
