"""Choice of the AWS plugin, and the environment of a real one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.session import get_session

from dr.errors import Invalid
from sandbox.engine.environment import environment
from sandbox.engine.launchers import install_launchers
from sandbox.local import Local
from sandbox.server_process import Server
from sandbox.toolchain import Toolchain, aws_plugin

VERSION = aws_plugin.sdk_version()
SERVER = Server(1, "http://127.0.0.1:4566", "run", "now")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's Pulumi home with the plugin of the SDK's version, and no plugin selected."""
    folder = tmp_path / "home"
    plugin(folder / "plugins" / f"resource-aws-v{VERSION}" / "pulumi-resource-aws")
    monkeypatch.setenv("PULUMI_HOME", str(folder))
    monkeypatch.delenv("DR_AWS_PLUGIN", raising=False)
    return folder


def plugin(path: Path, printed: str = VERSION, mode: int = 0o755) -> Path:
    """Create a fake plugin that prints its version, or otherwise its environment and arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{printed}"; else env; echo "arguments=$*"; fi\n')
    path.chmod(mode)
    return path


def launcher(tmp_path: Path) -> Path:
    local, toolchain = Local(tmp_path / "state", tmp_path), Toolchain(tmp_path / "pulumi", "3.300.0", "PATH", None)
    install_launchers(local, toolchain)
    return local.pulumi_home / "plugins" / f"resource-aws-v{VERSION}" / "pulumi-resource-aws"


def test_stand_in_is_the_default_even_if_a_plugin_is_installed(tmp_path: Path) -> None:
    assert aws_plugin.chosen() is None
    assert aws_plugin.variables() == {}
    assert aws_plugin.description() == "AWS plugin: the sandbox's stand-in"
    assert "sandbox.aws_plugin.provider" in launcher(tmp_path).read_text()


def test_empty_variable_selects_the_default_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", "")

    assert aws_plugin.chosen() is None


@pytest.mark.parametrize("printed", [VERSION, f"v{VERSION}"])
def test_named_plugin_is_used(printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plugin(tmp_path / "a folder" / "pulumi-resource-aws", printed)
    monkeypatch.setenv("DR_AWS_PLUGIN", str(path))

    assert aws_plugin.chosen() == aws_plugin.AwsPlugin(path, VERSION, "DR_AWS_PLUGIN")
    assert aws_plugin.description() == f"AWS plugin {VERSION} (DR_AWS_PLUGIN): {path}"


def test_relative_plugin_path_is_resolved_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plugin(tmp_path / "pulumi-resource-aws")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DR_AWS_PLUGIN", "pulumi-resource-aws")

    assert aws_plugin.variables() == {"DR_AWS_PLUGIN": str(path)}


def test_installed_plugin_is_found_in_the_users_pulumi_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", "installed")

    found = aws_plugin.chosen()

    assert found
    assert (found.origin, found.path.is_relative_to(home)) == ("installed", True)


def test_installed_plugin_of_the_user_is_found_inside_the_sandbox(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside the sandbox, PULUMI_HOME is the sandbox's own."""
    monkeypatch.setenv("DR_AWS_PLUGIN", "installed")
    local, toolchain = Local(tmp_path / "state", tmp_path), Toolchain(tmp_path / "pulumi", "3.300.0", "PATH", None)
    for name, value in environment(local, SERVER, toolchain).items():
        monkeypatch.setenv(name, value)

    found = aws_plugin.chosen()

    assert os.environ["PULUMI_HOME"] == str(local.pulumi_home)
    assert found
    assert found.path.is_relative_to(home)


def test_missing_plugin_is_refused_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", "installed")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "empty"))

    with pytest.raises(Invalid, match=f"pulumi plugin install resource aws {VERSION}"):
        aws_plugin.chosen()


@pytest.mark.parametrize(
    ("printed", "mode", "message"),
    [
        (
            "7.0.0",
            0o755,
            f"version 7.0.0; the SDK here is {VERSION}(.|\n)*pulumi plugin install resource aws {VERSION}",
        ),
        ("hello", 0o755, "prints no version for --version"),
        (VERSION, 0o644, "not executable(.|\n)*chmod"),
    ],
)
def test_plugin_file_without_the_expected_version_is_refused(
    printed: str, mode: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", str(plugin(tmp_path / "pulumi-resource-aws", printed, mode)))

    with pytest.raises(Invalid, match=message):
        aws_plugin.chosen()


def test_plugin_path_without_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", str(tmp_path))

    with pytest.raises(Invalid, match=r"is not a file(.|\n)*unset it for the stand-in"):
        aws_plugin.chosen()


def test_real_plugin_uses_the_emulator_as_its_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", str(plugin(tmp_path / "pulumi-resource-aws")))
    persons = {"https_proxy": "http://proxy.example:3128", "NO_PROXY": "amazonaws.com", "no_proxy": "amazonaws.com"}
    variables = {**os.environ, **persons, "AWS_ENDPOINT_URL": SERVER.endpoint}

    done = subprocess.run(
        [launcher(tmp_path), "127.0.0.1:1"], env=variables, capture_output=True, text=True, check=True
    )

    output = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert {name: value for name, value in output.items() if name.lower().endswith("_proxy")} == {
        "HTTP_PROXY": SERVER.endpoint,
        "HTTPS_PROXY": SERVER.endpoint,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    assert output["arguments"] == "127.0.0.1:1"


def test_real_plugin_does_not_start_without_the_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DR_AWS_PLUGIN", str(plugin(tmp_path / "pulumi-resource-aws")))
    variables = {name: value for name, value in os.environ.items() if name != "AWS_ENDPOINT_URL"}

    done = subprocess.run([launcher(tmp_path)], env=variables, capture_output=True, text=True, check=False)

    assert done.returncode
    assert "AWS_ENDPOINT_URL" in done.stderr


@pytest.mark.parametrize(
    ("service", "parameters", "url"),
    [
        ("s3", {"Bucket": "data", "ForcePathStyle": False, "Accelerate": False}, "http://127.0.0.1:4566/data"),
        ("s3control", {"AccountId": "123456789012", "RequiresAccountId": True}, "http://123456789012.127.0.0.1:4566"),
    ],
)
def test_endpoint_rules_need_no_path_style_and_name_the_account_of_s3_control(
    service: str, parameters: dict[str, object], url: str
) -> None:
    """The endpoint rules of AWS are the same in every SDK; the launcher and the stacks set what they require."""
    loader = get_session().get_component("data_loader")
    rules = EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))
    common = {"Region": "us-west-2", "Endpoint": SERVER.endpoint, "UseFIPS": False, "UseDualStack": False}

    assert rules.resolve_endpoint(**common, **parameters).url == url
