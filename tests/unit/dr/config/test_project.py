import json
from pathlib import Path

import pytest

from dr.config.project import read_state_settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "credentials.json").write_text(json.dumps({"current": "s3://logged-in"}))
    (tmp_path / "Pulumi.yaml").write_text("name: dr\n")
    (tmp_path / "Pulumi.dr.yaml").write_text("secretsprovider: awskms://alias/pulumi?region=us-west-2\n")
    return tmp_path


def test_backend_is_that_of_the_last_login(project: Path) -> None:
    found = read_state_settings(project, "dr")

    assert (found.backend, found.secrets_provider) == ("s3://logged-in", "awskms://alias/pulumi?region=us-west-2")


def test_backend_of_the_project_precedes_the_login_and_the_variable_precedes_both(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "Pulumi.yaml").write_text("name: dr\nbackend:\n  url: s3://of-project\n")
    assert read_state_settings(project, "dr").backend == "s3://of-project"

    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://of-variable")
    assert read_state_settings(project, "dr").backend == "s3://of-variable"


def test_backend_is_empty_without_a_login(project: Path) -> None:
    (project / "home" / "credentials.json").unlink()

    assert read_state_settings(project, "dr").backend == ""
