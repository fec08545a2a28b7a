"""Network of the pods that run on this machine: the names that a pod on AWS calls, behind its egress policies.

A process of a pod reaches every host through the emulator's proxy over TLS, and signs in to it with the pod's UID. So
boto3 and other clients call AWS by its own names, without an endpoint URL.
"""

from __future__ import annotations

from typing import Any

from urllib3.exceptions import HTTPError

from sandbox.aws.answer import ConnectionCutError
from sandbox.aws.authority import Authority
from sandbox.aws.behaviours.sources import proxy_of_pod
from sandbox.clusters import egress_policies
from sandbox.clusters.api import Api

Thing = dict[str, Any]


class PodNetwork:
    """Network of one cluster's pods.

    Args:
        endpoint: URL of the emulator.
        region: The cluster's region.
        authority: Signs the certificates of hosts; pods trust it.
        api: Client of the cluster's API server.
    """

    def __init__(self, endpoint: str, region: str, authority: Authority, api: Api) -> None:
        self._endpoint, self._region, self._authority, self._api = endpoint, region, authority, api
        self._pods: dict[str, Thing] = {}

    def environment(self, pod: Thing) -> dict[str, str]:
        """Return environment variables of a pod's processes: its network, and credentials instead of its identity."""
        about = pod["metadata"]
        self._pods[about["uid"]] = pod
        authority = str(self._authority.file)
        return {
            "AWS_DEFAULT_REGION": self._region,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HTTPS_PROXY": proxy_of_pod(self._endpoint, about["uid"]),
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_CA_BUNDLE": authority,
            "SSL_CERT_FILE": authority,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def knows(self, uid: str) -> bool:
        """Return whether processes of a pod run here, or did."""
        return uid in self._pods

    def admits(self, uid: str, address: str, port: int) -> bool:
        """Return whether a known pod's egress policies admit a connection to a TCP port of an address.

        Raises:
            ConnectionCutError: The API server does not answer, as in an unreachable region.
        """
        pod = self._pods[uid]
        path = f"/apis/networking.k8s.io/v1/namespaces/{pod['metadata']['namespace']}/networkpolicies"
        try:
            policies = self._api.call("GET", path)["items"]
        except HTTPError as error:
            raise ConnectionCutError(f"the egress policies of pod {pod['metadata']['name']}: {error}") from error
        return egress_policies.admits(policies, pod, address, port)
