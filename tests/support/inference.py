"""One region with what inference requests need, as the program creates it: network, cluster, nodes, load balancer."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from components.kubernetes import inference_spec
from components.kubernetes.proxy_spec import CONFIG_FILE
from components.pod_code import pod_code
from dr.topology.serving import Serving
from sandbox.clusters.api import Api, RefusedError
from sandbox.server import Running
from tests.support.kubernetes import spec
from tests.support.waiting import wait_for

ZONES, TYPES, DOMAIN = "abc", ["g5.2xlarge", "g6.2xlarge"], "example.com"
NAMESPACE = "ml-serving"
READY_PATH = Serving().ready_path
MOST_IN_ZONE = 3
CODE_FOLDER, MODELS_FOLDER = "/opt/ml-dr", "/models"
GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}


@dataclass
class Region:
    """A region under test."""

    aws: Running
    region: str
    cluster: str = "ml-dr"
    made: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.region)

    @property
    def api(self) -> Api:
        """API server of its cluster, with administrator rights."""
        if "api" not in self.made:
            self.made["api"] = Api(self.aws.clusters.of(self.region)[self.cluster].api())
        found: Api = self.made["api"]
        return found

    @property
    def name(self) -> str:
        """Regional host name."""
        return f"inference.{DOMAIN}"

    def build(self, nodes: int) -> None:
        """Create network, a node group in each zone, load balancer and hosted zone."""
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{32 * number}.0/19", AvailabilityZone=f"{self.region}{zone}")
            for number, zone in enumerate(ZONES)
        ]
        ids = [each["Subnet"]["SubnetId"] for each in subnets]
        eks = self.client("eks")
        eks.create_cluster(
            name=self.cluster,
            roleArn=self._role("cluster", "eks.amazonaws.com"),
            version="1.35",
            resourcesVpcConfig={"subnetIds": ids},
        )
        template = ec2.create_launch_template(LaunchTemplateName="gpu", LaunchTemplateData=TEMPLATE)
        floor = nodes // len(ZONES)
        node_role = self._role("nodes", "ec2.amazonaws.com")
        for zone, subnet in zip(ZONES, ids, strict=True):
            eks.create_nodegroup(
                clusterName=self.cluster,
                nodegroupName=f"gpu-{zone}",
                nodeRole=node_role,
                subnets=[subnet],
                instanceTypes=TYPES,
                amiType="AL2023_x86_64_NVIDIA",
                scalingConfig={"minSize": floor, "desiredSize": floor, "maxSize": MOST_IN_ZONE},
                labels={"pool": "gpu"},
                taints=[GPU_TAINT],
                launchTemplate={"id": template["LaunchTemplate"]["LaunchTemplateId"], "version": "1"},
            )
        elb = self.client("elbv2")
        balancer = elb.create_load_balancer(Name="inference", Type="network", Subnets=ids)["LoadBalancers"][0]
        group = elb.create_target_group(
            Name="pods",
            Protocol="TCP",
            Port=8080,
            VpcId=vpc,
            TargetType="ip",
            HealthCheckProtocol="HTTP",
            HealthCheckPath=READY_PATH,
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
        )["TargetGroups"][0]["TargetGroupArn"]
        delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}]
        elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=delay)
        actions = [{"Type": "forward", "TargetGroupArn": group}]
        elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"], Port=443, Protocol="TCP", DefaultActions=actions
        )
        self.made |= {"subnets": ids, "vpc": vpc, "balancer": balancer["DNSName"], "group": group}
        route53 = self.client("route53")
        zone = route53.create_hosted_zone(Name=DOMAIN, CallerReference="test")["HostedZone"]["Id"]
        record = {"Name": self.name, "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": balancer["DNSName"]}]}
        changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    def serve(self, replicas: int, buckets: dict[str, str], model_set: str = "digits") -> None:
        """Create the Deployment, its Service and the TargetGroupBinding; the image is never pulled."""
        self.apply("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", BINDING_KIND)
        self.apply("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": NAMESPACE}})
        code = pod_code("fetch_models")
        core = f"/api/v1/namespaces/{NAMESPACE}"
        self.apply(f"{core}/configmaps", {"kind": "ConfigMap", "metadata": {"name": "code"}, "data": dict(code.data)})
        proxied = spec()
        data = {CONFIG_FILE: proxied.proxy.text}
        self.apply(f"{core}/configmaps", {"kind": "ConfigMap", "metadata": {"name": "proxy"}, "data": data})
        ports = [{"name": "http", "port": 8080}]
        service = {"selector": {"app": "inference"}, "ports": ports}
        self.apply(f"{core}/services", {"kind": "Service", "metadata": {"name": "inference"}, "spec": service})
        items = [{"key": key, "path": path} for key, path in code.items.items()]
        environment = {
            "PYTHONPATH": CODE_FOLDER,
            "AWS_REGION": self.region,
            "MODELS_BUCKET": buckets["models"],
            "REGISTRY_BUCKET": buckets["registry"],
            "MODEL_SET": model_set,
            "MODELS_FOLDER": MODELS_FOLDER,
        }
        fetch = {
            "name": "fetch-models",
            "image": "python:3",
            "command": ["python", "-m", "dr.pods.fetch_models"],
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "volumeMounts": [
                {"name": "code", "mountPath": CODE_FOLDER},
                {"name": "models", "mountPath": MODELS_FOLDER},
            ],
        }
        serve = {
            "name": "server",
            "image": "mlserver:1",
            "resources": {"limits": {"nvidia.com/gpu": "1"}},
            "env": [{"name": "MLSERVER_HTTP_PORT", "value": str(inference_spec.SERVER_PORT)}],
            "readinessProbe": {"httpGet": {"path": READY_PATH, "port": 8080}, "initialDelaySeconds": 30},
        }
        spread = {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": {"app": "inference"}},
        }
        pod = {
            "initContainers": [fetch, inference_spec.proxy(proxied)],
            "containers": [serve],
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
                *(
                    {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute"}
                    | {"tolerationSeconds": 30}
                    for state in ("not-ready", "unreachable")
                ),
            ],
            "topologySpreadConstraints": [spread],
            "automountServiceAccountToken": False,
            "volumes": [
                {"name": "code", "configMap": {"name": "code", "items": items}},
                {"name": "models", "emptyDir": {}},
                {"name": "proxy", "configMap": {"name": "proxy"}},
            ],
        }
        labels = {"matchLabels": {"app": "inference"}}
        self.apply(
            f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
            {
                "kind": "Deployment",
                "metadata": {"name": "inference"},
                "spec": {
                    "replicas": replicas,
                    "selector": labels,
                    "template": {"metadata": {"labels": {"app": "inference"}}, "spec": pod},
                },
            },
        )
        self.apply(
            f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
            {
                "kind": "PodDisruptionBudget",
                "metadata": {"name": "inference"},
                "spec": {"minAvailable": max(1, replicas - 2), "selector": labels},
            },
        )
        reference = {"name": "inference", "port": 8080}
        bound = {"targetGroupARN": self.made["group"], "targetType": "ip", "serviceRef": reference}
        self.apply(
            f"/apis/elbv2.k8s.aws/v1beta1/namespaces/{NAMESPACE}/targetgroupbindings",
            {"kind": "TargetGroupBinding", "metadata": {"name": "inference"}, "spec": bound},
        )

    def apply(self, path: str, content: dict[str, Any]) -> None:
        """Create an object as soon as its kind exists."""
        root, version, *more = path.strip("/").split("/")
        group = version if root == "api" else f"{version}/{more[0]}"

        def created() -> bool:
            try:
                self.api.call("POST", path, {"apiVersion": group, **content})
            except RefusedError as error:
                if error.status in (404, 429):
                    return False
                raise
            return True

        wait_for(created)

    def nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.call("GET", "/api/v1/nodes")["items"]
        return found

    def ready_nodes(self) -> list[str]:
        """Return the zones of ready nodes."""
        return sorted(
            node["metadata"]["labels"]["topology.kubernetes.io/zone"][-1]
            for node in self.nodes()
            if any(
                each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions", ())
            )
        )

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        return found

    def states(self) -> dict[str, str]:
        """Return the load balancer's state of each target."""
        found = self.client("elbv2").describe_target_health(TargetGroupArn=self.made["group"])
        return {each["Target"]["Id"]: each["TargetHealth"]["State"] for each in found["TargetHealthDescriptions"]}

    def healthy(self) -> int:
        return list(self.states().values()).count("healthy")

    def fault(self, **content: Any) -> None:
        self._control("POST", "faults", content)

    def heal(self) -> None:
        self._control("DELETE", "faults", None)

    def _control(self, method: str, path: str, content: Any) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.aws.endpoint).netloc)
        connection.request(method, f"/_sandbox/{path}", json.dumps(content) if content is not None else None)
        assert connection.getresponse().status == 200
        connection.close()

    def connect(self) -> http.client.HTTPSConnection:
        """Return a client's connection to the region's host name."""
        context = ssl.create_default_context(cafile=str(self.aws.authority.file))
        proxy = urlsplit(self.aws.endpoint)
        connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port, context=context, timeout=90)
        connection.set_tunnel(self.name, 443)
        return connection

    def predict(self, rows: list[list[float]]) -> dict[str, Any]:
        """Send a prediction request to the region's host name; the first one waits for the model server to start."""

        def answered() -> dict[str, Any] | None:
            try:
                return self._predict(rows)
            except (OSError, http.client.HTTPException):
                return None

        found: dict[str, Any] = wait_for(answered)
        return found

    def _predict(self, rows: list[list[float]]) -> dict[str, Any]:
        connection = self.connect()
        body = {"name": "predict", "shape": [len(rows), len(rows[0])], "datatype": "FP32", "data": rows}
        content = json.dumps({"inputs": [body]})
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v2/models/digits/infer", content, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        assert answer.status == 200, text
        found: dict[str, Any] = json.loads(text)
        return found

    def _role(self, name: str, service: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        return str(made["Role"]["Arn"])


TEMPLATE = {
    "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
    "BlockDeviceMappings": [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {"Encrypted": True, "VolumeType": "gp3", "VolumeSize": 100, "DeleteOnTermination": True},
        }
    ],
    "Monitoring": {"Enabled": True},
    "TagSpecifications": [
        {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": "gpu node"}]} for kind in ("instance", "volume")
    ],
}
"""As in the program."""
BINDING_KIND = {
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "targetgroupbindings.elbv2.k8s.aws"},
    "spec": {
        "group": "elbv2.k8s.aws",
        "scope": "Namespaced",
        "names": {"kind": "TargetGroupBinding", "plural": "targetgroupbindings", "singular": "targetgroupbinding"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
