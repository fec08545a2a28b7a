"""The JSON client of API servers."""

from __future__ import annotations

import json

from sandbox.clusters.api import Api
from tests.support.api_server import serving

KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "users": [{"name": "operator", "user": {"token": "k8s-aws-v1.signed"}}],
    "contexts": [{"name": "here", "context": {"cluster": "here", "user": "operator"}}],
    "current-context": "here",
}


def test_token_of_a_kubeconfig_is_sent_as_it_is() -> None:
    with serving() as server:
        server.answers["/api/v1/nodes"] = (200, {"items": []})
        clusters = [{"name": "here", "cluster": {"server": server.endpoint}}]
        Api.of_kubeconfig(json.dumps({**KUBECONFIG, "clusters": clusters})).call("GET", "/api/v1/nodes")

    assert server.requests == [("GET", "/api/v1/nodes", "k8s-aws-v1.signed")]
