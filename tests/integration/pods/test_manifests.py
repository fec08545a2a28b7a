"""Pods' programs, run with code, command and environment of their manifests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.kubernetes import code_pod_spec, jobs_spec, registry_backup_spec
from components.kubernetes.code_pod_spec import CodePod
from components.pod_code import pod_code
from dr.data import registry_backup
from sandbox.server import Running
from tests.support import kubernetes, pods
from tests.support.buckets import make_bucket

HERE = "us-west-2"


@pytest.fixture
def s3(aws: Running) -> Any:
    return aws.client("s3", HERE)


def run(pod: CodePod, cron_job: Mapping[str, Any], folder: Path, **from_pod: str) -> tuple[int, str]:
    """Run a manifest's container as a kubelet does: with its volume and resolved variables."""
    spec = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    volume = next(each["configMap"] for each in spec["volumes"] if each["name"] == "code")
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    data = code_pod_spec.code(pod)["data"]
    for item in volume["items"]:
        path = folder / "code" / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]], "utf-8")
    unset = {each["name"] for each in container["env"] if "valueFrom" in each} - from_pod.keys()
    assert not unset, f"{unset} must be set from pod fields"
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    variables = {name: value.replace(mounted["code"], str(folder / "code")) for name, value in variables.items()}
    return pods.run_command(container["command"], folder, {**variables, **from_pod})


def test_the_registrys_cron_job_makes_a_backup(s3: Any, tmp_path: Path) -> None:
    of = replace(kubernetes.registry_backup(), code=pod_code("copy_registry"))
    make_bucket(s3, of.bucket)
    s3.put_object(Bucket=of.bucket, Key="sets/digits/1/manifest.json", Body=b"{}")
    code, log = run(of.pod, registry_backup_spec.cron_job(of), tmp_path)

    assert code == 0, log
    (key,) = registry_backup.manifests(HERE, of.bucket)
    assert [each.key for each in registry_backup.read(HERE, of.bucket, key).objects] == ["sets/digits/1/manifest.json"]


def test_every_index_of_the_job_processes_its_shard(s3: Any, tmp_path: Path) -> None:
    of = replace(kubernetes.processing(shards=3, parallelism=2), code=pod_code("process_shard"))
    make_bucket(s3, of.bucket)
    for number in range(9):
        s3.put_object(Bucket=of.bucket, Key=f"sets/digits/{number}.csv", Body=b"x\n1\n")
    s3.put_object(Bucket=of.bucket, Key="elsewhere.csv", Body=b"x\n1\n")
    for index in range(3):
        from_pod = {"RUN": "process-1", "JOB_COMPLETION_INDEX": str(index)}
        code, log = run(of.pod, jobs_spec.cron_job(of), tmp_path, **from_pod)
        assert code == 0, log

    folder = f"results/{HERE}/process-1/shards"
    parts = [json.load(s3.get_object(Bucket=of.bucket, Key=f"{folder}/{index}.json")["Body"]) for index in range(3)]
    assert sum(part["objects"] for part in parts) == 9
