import io
import json
import zipfile
from pathlib import Path

import pytest

from dr.clients import IN_SANDBOX
from dr.errors import Refused
from dr.operations import runner
from dr.topology.topology import Role
from tests.support.builders import topology


def test_checkout_is_uploaded_without_anything_that_a_deployment_does_not_need(tmp_path: Path) -> None:
    needed = ("Pulumi.yaml", "Pulumi.dr.yaml", "__main__.py", "supply.json", "dr/names.py")
    for name in (*needed, ".git/config", ".local/x", "tests/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "dr/__pycache__").mkdir()
    (tmp_path / "dr/__pycache__/names.pyc").touch()

    names = zipfile.ZipFile(io.BytesIO(runner.archive(tmp_path))).namelist()
    assert sorted(names) == sorted(needed)


def test_region_without_a_runner_is_refused_with_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Builds:
        def batch_get_projects(self, names: list[str]) -> dict[str, list[str]]:
            return {"projects": []}

    monkeypatch.setattr(runner, "client", lambda *_: Builds())
    with pytest.raises(Refused, match="us-west-2 has no project ml-dr-runner") as caught:
        runner.run(topology(Role.RECOVERY), tmp_path, "true")
    assert "`pulumi config set dr:runner true`" in str(caught.value)


def test_build_gets_the_backend_and_no_passphrase() -> None:
    with pytest.raises(Refused, match="a build would have it in plain text") as caught:
        runner.passed_on({"PULUMI_CONFIG_PASSPHRASE": "secret"})
    assert "change-secrets-provider" in str(caught.value)

    backend = {"PULUMI_BACKEND_URL": "s3://state"}
    assert runner.passed_on({**backend, "PULUMI_CONFIG_PASSPHRASE": "", "HOME": "/home/ada"}) == {
        **backend,
        "PULUMI_CONFIG_PASSPHRASE": "",
    }


def test_build_of_a_sandbox_gets_its_public_passphrase() -> None:
    public = {"PULUMI_CONFIG_PASSPHRASE": "sandbox"}

    assert runner.passed_on({**public, IN_SANDBOX: "/folder"}) == public


def test_buildspec_is_of_the_version_that_runs_all_commands_in_one_shell() -> None:
    assert json.loads(json.dumps(runner.BUILDSPEC))["version"] == "0.2"
