"""`dr sets publish` against the emulator."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dr.data.model_sets import Manifest, parse
from dr.errors import Exit
from sandbox.aws.faults import parse as fault
from tests.support.sets import PRIMARY, RECOVERY, ROOT, Regions, bucket, run, text

FILES = {
    "data/train/1.csv": "1,2",
    "data/2.csv": "3,4",
    "parameters.json": "{}",
    "metrics.json": "{}",
    "model.bin": "w",
}
DIGEST = f"sha256:{'4f1c09ab' * 8}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with every part."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def manifest_of(regions: Regions, version: str, region: str = PRIMARY) -> tuple[Manifest, dict[str, Any]]:
    """Read a manifest by boto3."""
    key = f"sets/digits/{version}/manifest.json"
    body = regions.s3[region].get_object(Bucket=bucket(region, "registry"), Key=key)["Body"].read()
    return parse(body, "test"), json.loads(body)


def test_folder_is_published_as_one_version_that_names_no_region(regions: Regions, folder: Path) -> None:
    code, found = run("sets", "publish", str(folder), "--image", f"docker.io/a/b:1@{DIGEST}")
    manifest, document = manifest_of(regions, found["version"])

    assert (code, found["kept"], found["objects"]) == (Exit.OK, False, len(FILES))
    jsonschema.validate(document, json.loads((ROOT / "docs/model-set.schema.json").read_text()))
    assert "us-east-1" not in json.dumps(document)
    assert (manifest.image, manifest.source) == (DIGEST, "")
    prefix = f"sets/digits/{found['version']}/"
    assert {each.key.removeprefix(prefix): each.sha256 for each in manifest.entries} == {
        name: hashlib.sha256(content.encode()).hexdigest() for name, content in FILES.items()
    }
    regions.settle()
    assert run("sets", "verify")[0] == Exit.OK
    for region in (PRIMARY, RECOVERY):
        for each in manifest.entries:
            where = {"Bucket": bucket(region, each.pair), "Key": each.key, "VersionId": each.version_id}
            body = regions.s3[region].get_object(**where)["Body"].read()
            assert hashlib.sha256(body).hexdigest() == each.sha256


def test_unchanged_folder_is_not_published_again(regions: Regions, folder: Path) -> None:
    _, first = run("sets", "publish", str(folder))
    _, second = run("sets", "publish", str(folder))

    assert (second["version"], second["kept"]) == (first["version"], True)
    assert "nothing was written" in text("sets", "publish", str(folder))
    (folder / "model.bin").write_text("other")
    assert run("sets", "publish", str(folder))[1]["kept"] is False
    assert len(run("sets", "list")[1]["versions"]) == 2


def test_set_that_lost_an_object_is_published_again(regions: Regions, folder: Path) -> None:
    _, first = run("sets", "publish", str(folder))
    regions.lose(PRIMARY, manifest_of(regions, first["version"])[0], "model")
    _, second = run("sets", "publish", str(folder))

    assert second["kept"] is False
    assert second["digest"] == first["digest"]


def test_run_of_mlflow_and_its_data_are_published(regions: Regions, tmp_path: Path) -> None:
    files = {
        "meta.yaml": "artifact_uri: s3://bucket-us-east-1/1",
        "params/C": "10.0",
        "metrics/accuracy": "1 0.9 0\n",
        "artifacts/model/MLmodel": "flavors: {}",
    }
    for name, content in files.items():
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(content)
    (tmp_path / "digits.csv").write_text("1,2")
    code, found = run("sets", "publish", str(tmp_path / "run"), "--data", str(tmp_path / "digits.csv"))

    manifest, document = manifest_of(regions, found["version"])
    assert code == Exit.OK
    assert "us-east-1" not in json.dumps(document)
    paths = {each.key.split("/", 3)[3]: each.part for each in manifest.entries}
    assert paths == {
        "model/MLmodel": "model",
        "parameters.json": "parameters",
        "metrics.json": "metrics",
        "data/digits.csv": "data",
    }


def test_set_without_data_is_refused_until_that_is_accepted(regions: Regions, folder: Path) -> None:
    for name in ("data/train/1.csv", "data/2.csv"):
        (folder / name).unlink()
    code, error = run("sets", "publish", str(folder))

    assert (code, error["problems"][0]["subject"]) == (Exit.INVALID, "data")
    assert run("sets", "list")[1]["versions"] == []
    assert run("sets", "publish", str(folder), "--without", "data")[0] == Exit.OK


def test_failed_upload_leaves_no_manifest(regions: Regions, folder: Path) -> None:
    denied = {"kind": "operation", "operation": "s3:PutObject", "error": "AccessDenied", "times": 1}
    regions.aws.emulator.faults.add(fault(denied))
    code, error = run("sets", "publish", str(folder))

    assert code == Exit.FAILED
    assert "AccessDenied" in error["problems"][0]["fact"]
    assert run("sets", "list")[1]["versions"] == []


@pytest.mark.usefixtures("regions")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a folder, or a run with --run"),
        (("FOLDER", "--region", "us-west-1"), 'did you mean "us-west-2"?'),
        (("FOLDER", "--image", "docker.io/a/b:1"), "has no digest"),
        (("FOLDER", "--probe", "absent.json"), "not a probe"),
        (("FOLDER", "--data", "absent"), "absent does not exist"),
        (("--run", "1"), "MLFLOW_TRACKING_URI is not set"),
    ],
)
def test_invalid_options_are_refused(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    code, error = run("sets", "publish", *(str(folder) if each == "FOLDER" else each for each in arguments))

    assert code == Exit.INVALID
    assert message in json.dumps(error).replace('\\"', '"')


def test_region_of_the_recovery_role_is_written_on_request(regions: Regions, folder: Path) -> None:
    probe = folder.parent / "probe.json"
    probe.write_text(json.dumps({"request": {"inputs": []}, "outputs": [[1]]}))
    _, found = run("sets", "publish", str(folder), "--region", RECOVERY, "--probe", str(probe))
    manifest, _ = manifest_of(regions, found["version"], RECOVERY)

    assert found["region"] == RECOVERY
    assert manifest.probe is not None
    assert manifest.probe.outputs == ([1],)


@pytest.mark.usefixtures("aws")
def test_publishing_without_a_deployment_is_refused(folder: Path) -> None:
    code, error = run("sets", "publish", str(folder))

    assert code == Exit.REFUSED
    assert "not deployed" in error["problems"][0]["fact"]
