import base64
import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from dr.clusters.kubeconfig import INSTALL_HINT, kubeconfig

CA = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


def written() -> dict[str, Any]:
    return kubeconfig("ml-dr", "us-west-2", "https://127.0.0.1:6443", CA)


def test_kubeconfig_has_one_context_named_by_the_region() -> None:
    made = written()

    assert [each["name"] for each in made["contexts"]] == [made["current-context"]] == ["us-west-2"]


def test_kubeconfig_contains_no_credential() -> None:
    (user,) = written()["users"]

    assert list(user["user"]) == ["exec"]


def test_kubernetes_client_gets_its_token_from_dr_eks_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "asked"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "t"}}
    command = tmp_path / "dr"
    command.write_text(f"#!/bin/sh\necho \"$@\" > {asked}\necho '{json.dumps(credential)}'\n", encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    settings = client.Configuration()
    config.load_kube_config_from_dict(written(), client_configuration=settings)

    assert asked.read_text().split() == ["eks-token", "--cluster-name", "ml-dr", "--region", "us-west-2"]
    assert (settings.host, settings.api_key) == ("https://127.0.0.1:6443", {"BearerToken": "Bearer t"})


def test_install_hint_names_a_passage_of_the_readme_with_the_same_command() -> None:
    readme = (Path(__file__).parents[4] / "README.md").read_text()

    assert 'export PATH="$PWD/.local/venv/bin:$PATH"' in INSTALL_HINT
    assert 'export PATH="$PWD/.local/venv/bin:$PATH"' in readme.partition("**2. Install.**")[2].partition("**3.")[0]
