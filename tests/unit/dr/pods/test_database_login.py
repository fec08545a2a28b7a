"""The service file of the MLflow server: from a secret of an emulated Secrets Manager to a file that libpq reads."""

from __future__ import annotations

import configparser
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from components.data.database_spec import new_login
from dr.clients import Missing
from dr.errors import Failed, Invalid
from dr.pods import database_login

REGION, SECRET, HOST = "us-west-2", "ml-dr-database", "ml-dr-recovery.cluster-c0.us-west-2.rds.amazonaws.com"
AUTHORITY = "/etc/ssl/certs/rds-global-bundle.pem"
LOGIN = {"username": "mlflow", "password": "a#b;c=d", "dbname": "mlflow", "port": "5432"}


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", REGION)


def content(**changes: str) -> str:
    return database_login.content({**LOGIN, **changes}, HOST, AUTHORITY, "secret")


def test_program_writes_the_login_of_the_secret_for_its_owner_alone(
    secrets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    login, file = new_login(), tmp_path / "pg_service.conf"
    secrets.create_secret(Name=SECRET, SecretString=login)
    given = {"AWS_REGION": REGION, "DATABASE_SECRET": SECRET, "DATABASE_HOST": HOST, "DATABASE_AUTHORITY": AUTHORITY}
    for name, value in {**given, "PGSERVICEFILE": str(file)}.items():
        monkeypatch.setenv(name, value)

    database_login.main()
    database_login.main()
    read = configparser.RawConfigParser()
    read.read_string(file.read_text())

    assert dict(read["registry"]) == {
        "host": HOST,
        "port": "5432",
        "dbname": "mlflow",
        "user": "mlflow",
        "password": json.loads(login)["password"],
        "sslmode": "verify-full",
        "sslrootcert": AUTHORITY,
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [file.name], "no part is left"
    assert json.loads(login)["password"] not in capsys.readouterr().out


def test_missing_secret_is_reported_with_its_region(secrets: Any) -> None:
    with pytest.raises(Missing, match=f"secret {SECRET}.*in {REGION}"):
        database_login.read_login(REGION, SECRET)


@pytest.mark.parametrize("text", ["not JSON: s3cret", json.dumps({**LOGIN, "password": None} | {"port": 1})[:-9], "[]"])
def test_secret_that_is_not_a_login_is_refused_and_not_repeated(secrets: Any, text: str) -> None:
    secrets.create_secret(Name=SECRET, SecretString=text)

    with pytest.raises(Invalid, match="has not all of: username, password, dbname, port") as refused:
        database_login.read_login(REGION, SECRET)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_value_with_a_line_break_is_refused_because_it_would_set_another_option() -> None:
    with pytest.raises(Invalid, match="password: empty, with a line break") as refused:
        content(password="x\nsslmode=disable")
    assert "disable" not in str(refused.value)


@pytest.mark.parametrize("value", ["", " x", "x "])
def test_value_that_libpq_would_change_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="dbname: empty, with a line break, or with a space at an end"):
        content(dbname=value)


def test_characters_of_other_formats_are_written_as_they_are() -> None:
    assert "\npassword=a#b;c=d\n" in content()


def test_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="not writable"):
        database_login.write(tmp_path / "missing" / "file", content())
