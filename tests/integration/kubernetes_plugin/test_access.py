"""The way to the cluster: settings, a cluster that is not there, and tokens of a command."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pulumi.runtime.proto import provider_pb2

from sandbox.kubernetes.binaries import Binaries
from sandbox.kubernetes.control_plane import ControlPlane
from sandbox.plugin import UNKNOWN, from_struct, to_struct
from tests.integration.kubernetes_plugin.harness import CONFIG_MAP, RELEASE, Hand, config_map, error_of
from tests.integration.provider.harness import urn
from tests.support.control_plane import NOBODY

PROVIDER = urn("pulumi:providers:kubernetes", "p")


@pytest.fixture
def failing(own_engine: Any, binaries: Binaries, tmp_path: Path) -> Iterator[tuple[Any, ControlPlane]]:
    """A cluster of the test's own, which it may take away."""
    plane = ControlPlane("us-west-2", tmp_path / "plane", binaries, NOBODY, speed=60)
    plane.start()
    try:
        own_engine.kubeconfig = plane.admin_kubeconfig
        own_engine.configure()
        yield own_engine, plane
    finally:
        plane.stop()


def test_a_cluster_that_is_away_is_previewed_with_a_warning_and_updated_once_it_is_back(
    failing: tuple[Any, ControlPlane], log: Any
) -> None:
    engine, plane = failing
    first, second = config_map("default", "lasting", a="1"), config_map("default", "lasting", a="1")
    second["metadata"]["labels"] = {"b": "2"}
    made = engine.make(CONFIG_MAP, "lasting", **first)
    before = made.state

    plane.pause()
    engine.configure()
    assert log.lines == [], "nothing is checked yet, and what is deleted with its cluster never is"
    assert made.changes(**first) == {}
    assert f"the cluster cannot be reached ({plane.endpoint})" in log.text
    assert "neither what its API server would refuse nor what was changed by hand" in log.text
    assert made.changes(**second) == {"metadata.labels": "ADD"}
    assert made.update(preview=True, **second)["metadata"]["labels"] == {"b": "2"}
    assert engine.preview(CONFIG_MAP, "new", **config_map("default", "new", a="1"))["data"] == {"a": "1"}
    assert len(log.lines) == 1
    for attempt in (
        lambda: made.update(**second),
        lambda: engine.make(CONFIG_MAP, "new", **config_map("default", "new", a="1")),
        lambda: engine.make(RELEASE, "velero", chart="velero", version="1", name="velero", namespace="default"),
    ):
        error = error_of(attempt).details()
        assert "cannot be reached" in error
        assert "nothing was changed, and the next `up` goes on from here" in error
    for attempt in (made.refresh, made.delete):
        assert "deleteUnreachable on the provider" in error_of(attempt).details()
    assert made.state == before

    plane.resume()
    engine.configure()
    made.update(**second)
    assert made.changes(**second) == {}
    assert made.refresh()


def test_what_was_in_a_cluster_that_is_gone_is_dropped_or_kept_as_told(
    failing: tuple[Any, ControlPlane], log: Any
) -> None:
    engine, plane = failing
    made = engine.make(CONFIG_MAP, "kept", **config_map("default", "kept", a="1"))
    plane.pause()
    engine.configure(skipUpdateUnreachable="true")
    assert made.refresh()
    assert made.checked(config_map("default", "kept", a="2")) == made.inputs
    engine.configure(deleteUnreachable="true")
    assert not made.refresh()
    made.delete()
    assert log.text.count("no longer kept") == 2


def test_a_cluster_that_is_lost_while_it_is_worked_on_is_named(failing: tuple[Any, ControlPlane]) -> None:
    engine, plane = failing
    made = engine.make(CONFIG_MAP, "lost", **config_map("default", "lost", a="1"))
    plane.pause()
    assert f"the cluster cannot be reached ({plane.endpoint})" in error_of(made.refresh).details()


def test_a_cluster_that_is_still_to_come_is_previewed(own_engine: Any) -> None:
    own_engine.configure(kubeconfig=UNKNOWN)
    inputs = config_map("default", "early", a="1")
    assert own_engine.preview(CONFIG_MAP, "early", **inputs)["data"] == {"a": "1"}


# A command that gives a token ----------------------------------------------------------------------------------------


@pytest.fixture
def command(hand: Hand, tmp_path: Path) -> Path:
    """A program on no PATH that prints a service account's token, and counts how often it did."""
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    name = f"account-{uuid4().hex[:8]}"
    hand.cluster.request("POST", accounts, {"metadata": {"name": name}})
    token = hand.cluster.request("POST", f"{accounts}/{name}/token", {"spec": {}})["status"]["token"]
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token, "expirationTimestamp": "2999-01-01T00:00:00Z"},
    }
    (tmp_path / "credential").write_text(json.dumps(credential))
    script = tmp_path / "give-token"
    script.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\ncat {tmp_path}/credential\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def kubeconfig_with(control_plane: ControlPlane, command: Path) -> str:
    execute = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(command), "interactiveMode": "Never"}
    cluster = {"server": control_plane.endpoint, "certificate-authority-data": control_plane.ca_data}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"exec": execute}}],
        }
    )


def test_a_token_is_asked_of_a_command_once_and_again_when_it_expires(
    own_engine: Any, control_plane: ControlPlane, command: Path, tmp_path: Path
) -> None:
    own_engine.configure(kubeconfig=kubeconfig_with(control_plane, command))
    asked = tmp_path / "asked"
    for _ in range(2):
        # It is let in, and as whoever the token says: a service account without rights.
        error = error_of(lambda: own_engine.make(CONFIG_MAP, "a", **config_map("default", "a", a="1")))
        assert 'cannot get resource "configmaps"' in error.details()
    assert asked.read_text().split() == ["asked"]

    credential = tmp_path / "credential"
    credential.write_text(credential.read_text().replace("2999", "2001"))
    own_engine.configure(kubeconfig=kubeconfig_with(control_plane, command))
    before = len(asked.read_text().split())
    error_of(lambda: own_engine.make(CONFIG_MAP, "a", **config_map("default", "a", a="1")))
    assert len(asked.read_text().split()) > before


def test_a_command_that_fails_is_named_and_a_preview_goes_on(
    own_engine: Any, control_plane: ControlPlane, tmp_path: Path, log: Any
) -> None:
    own_engine.configure(kubeconfig=kubeconfig_with(control_plane, tmp_path / "not-there"))
    inputs = config_map("default", "a", a="1")
    assert own_engine.preview(CONFIG_MAP, "a", **inputs)["data"] == {"a": "1"}
    assert f"the kubeconfig's command `{tmp_path}/not-there` gave no token" in log.text
    assert "gave no token" in error_of(lambda: own_engine.make(CONFIG_MAP, "a", **inputs)).details()


# Settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"renderYamlToDirectory": "x"}, "not carried by the sandbox: provider setting 'renderYamlToDirectory'"),
        ({"enableServerSideApply": "false"}, "not carried by the sandbox: client-side apply"),
        ({"kubeconfig": "{}"}, "kubeconfig: it cannot be used: no 'contexts'"),
        ({"kubeconfig": "/not/there"}, "No such file or directory"),
    ],
)
def test_a_setting_that_cannot_be_is_named(own_engine: Any, setting: dict[str, str], reason: str) -> None:
    answer = own_engine.stub.CheckConfig(provider_pb2.CheckRequest(urn=PROVIDER, news=to_struct(setting)))
    assert [reason in failure.reason for failure in answer.failures] == [True]


def test_a_kubeconfig_that_is_to_come_is_no_problem(own_engine: Any) -> None:
    news = to_struct({"kubeconfig": UNKNOWN, "clusterIdentifier": "a"})
    answer = own_engine.stub.CheckConfig(provider_pb2.CheckRequest(urn=PROVIDER, news=news))
    assert not answer.failures
    assert from_struct(answer.inputs)["kubeconfig"] == UNKNOWN


def test_a_cluster_elsewhere_is_not_talked_to(own_engine: Any, control_plane: ControlPlane) -> None:
    ours = control_plane.admin_kubeconfig.read_text()
    elsewhere = ours.replace(control_plane.endpoint, "https://kubernetes.example.com")
    error = error_of(lambda: own_engine.configure(kubeconfig=elsewhere)).details()
    assert "this stand-in only talks to the sandbox" in error


def _config(server: str, **settings: str) -> dict[str, str]:
    text = json.dumps(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {}}],
        }
    )
    return {"kubeconfig": text, **settings}


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        (_config("https://a", clusterIdentifier="1"), _config("https://b", clusterIdentifier="1"), []),
        (
            _config("https://a", clusterIdentifier="1"),
            _config("https://a", clusterIdentifier="2"),
            ["clusterIdentifier"],
        ),
        (
            _config("https://a", clusterIdentifier="1"),
            {"kubeconfig": UNKNOWN, "clusterIdentifier": UNKNOWN},
            ["clusterIdentifier"],
        ),
        (_config("https://a", clusterIdentifier="1"), {"kubeconfig": UNKNOWN, "clusterIdentifier": "1"}, []),
        (_config("https://a"), _config("https://a", clusterIdentifier="1"), []),
        (_config("https://a"), _config("https://b"), ["kubeconfig"]),
        (_config("https://a"), {"kubeconfig": UNKNOWN}, ["kubeconfig"]),
        (_config("https://a"), _config("https://a", namespace="n"), []),
    ],
)
def test_only_another_cluster_replaces_a_provider(
    own_engine: Any, old: dict[str, str], new: dict[str, str], replaced: list[str]
) -> None:
    request = provider_pb2.DiffRequest(urn=PROVIDER, olds=to_struct(old), news=to_struct(new))
    answer = own_engine.stub.DiffConfig(request)
    assert list(answer.replaces) == replaced
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
