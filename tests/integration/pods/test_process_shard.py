"""Processing datasets in shards in the AWS emulator, as by the pods of an indexed Job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from dr.errors import Failed, Invalid
from dr.pods import process_shard
from dr.pods.process_shard import Shard, process
from sandbox.aws.faults import parse
from sandbox.server import Running
from tests.support import pods
from tests.support.buckets import make_bucket
from tests.support.waiting import wait_for

HERE, BUCKET = "us-west-2", "datasets"
SHARD = Shard(HERE, BUCKET, "raw/", "results", "run-1", 0, 1)
CSV = "a,b\n1,2\n3,\n"


@pytest.fixture
def s3(aws: Running) -> Any:
    client = aws.client("s3", HERE)
    make_bucket(client, BUCKET)
    return client


def put(s3: Any, *keys: str, text: str = CSV) -> None:
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=text)


def keys(s3: Any, prefix: str) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def read(s3: Any, key: str) -> Any:
    return json.load(s3.get_object(Bucket=BUCKET, Key=key)["Body"])


def test_every_object_gets_a_result_with_its_hash_and_the_shard_a_summary(s3: Any) -> None:
    put(s3, "raw/one.csv", "raw/deep/two.csv", "elsewhere/three.csv")
    summary = process(SHARD)

    assert keys(s3, "results/") == [
        "results/run-1/objects/raw/deep/two.csv.json",
        "results/run-1/objects/raw/one.csv.json",
        "results/run-1/shards/0.json",
    ]
    result = read(s3, "results/run-1/objects/raw/one.csv.json")
    assert result["version_id"] == s3.head_object(Bucket=BUCKET, Key="raw/one.csv")["VersionId"]
    assert (result["size"], result["sha256"]) == (len(CSV), hashlib.sha256(CSV.encode()).hexdigest())
    assert result["result"]["rows"] == 2
    assert read(s3, "results/run-1/shards/0.json") == {
        "index": 0,
        "shards": 1,
        "objects": 2,
        "size": 2 * len(CSV),
        "digest": summary.digest,
    }


def test_every_object_is_in_exactly_one_shard(s3: Any) -> None:
    put(s3, *(f"raw/{number}.csv" for number in range(30)))
    counts = [process(replace(SHARD, run="of-4", index=index, shards=4)).objects for index in range(4)]

    assert sum(counts) == 30
    assert min(counts) > 0
    assert len(keys(s3, "results/of-4/objects/")) == 30
    assert process(replace(SHARD, run="of-1")).objects == 30


def test_results_are_not_processed_as_datasets(s3: Any) -> None:
    put(s3, "one.csv")
    process(replace(SHARD, prefix=""))

    assert process(replace(SHARD, prefix="", run="run-2")).objects == 1


def recording(called: list[str]) -> process_shard.Processor:
    def processor(key: str, body: BinaryIO) -> dict[str, Any]:
        called.append(key)
        return {"first": body.read(1).decode()}

    return processor


def test_a_restarted_index_processes_the_remaining_objects(s3: Any) -> None:
    put(s3, "raw/1", "raw/2")
    called: list[str] = []
    process(SHARD, recording(called))
    put(s3, "raw/3")

    assert process(SHARD, recording(called)).objects == 3
    assert sorted(called) == ["raw/1", "raw/2", "raw/3"]


def test_equal_results_have_an_equal_digest(s3: Any) -> None:
    put(s3, "raw/1", "raw/2")
    first = process(SHARD)

    assert process(replace(SHARD, run="run-2")) == first
    put(s3, "raw/2", text="a,b\n1,3\n3,\n")
    assert process(replace(SHARD, run="run-3")).digest != first.digest


def test_the_hash_covers_all_bytes_even_if_the_processor_stops_early(s3: Any) -> None:
    put(s3, "raw/1", text="x" * 3_000_000)
    process(SHARD, recording([]))

    result = read(s3, "results/run-1/objects/raw/1.json")
    assert (result["size"], result["sha256"]) == (3_000_000, hashlib.sha256(b"x" * 3_000_000).hexdigest())


def test_objects_that_fail_are_reported_and_the_others_processed(s3: Any) -> None:
    put(s3, "raw/1", "raw/bad", "raw/worse", "raw/2")

    def processor(key: str, body: BinaryIO) -> dict[str, Any]:
        if key in ("raw/bad", "raw/worse"):
            raise KeyError("no such column")
        return {}

    with pytest.raises(Failed, match="2 problems") as caught:
        process(SHARD, processor)
    assert {problem.subject for problem in caught.value.problems} == {
        "s3://datasets/raw/bad",
        "s3://datasets/raw/worse",
    }
    assert len(keys(s3, "results/run-1/objects/")) == 2
    assert keys(s3, "results/run-1/shards/") == []
    assert process(SHARD, recording([])).objects == 4


def test_an_object_deleted_since_the_listing_is_skipped(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "raw/1")
    listed = process_shard._keys
    monkeypatch.setattr(
        process_shard, "_keys", lambda shard, prefix: [*listed(shard, prefix), *(["raw/2"] if prefix == "raw/" else [])]
    )

    assert process(SHARD).objects == 1


def test_an_invalid_shard_is_refused() -> None:
    with pytest.raises(Invalid, match="index 4 is out of range for 4 shards") as caught:
        replace(SHARD, index=4, shards=4, results="/")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("name", ["nothing", "no.such.module:f", "json:nothing", ":f"])
def test_an_unknown_processor_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="cannot be used"):
        process_shard.processor_of(name)


ENVIRONMENT = {
    "AWS_REGION": HERE,
    "DATASETS_BUCKET": BUCKET,
    "DATASETS_PREFIX": "raw/",
    "RESULTS_PREFIX": "results",
    "JOB_COMPLETION_INDEX": "0",
    "SHARDS": "1",
    "RUN": "run-1",
}


def test_the_program_runs_from_its_config_map_with_a_custom_processor(s3: Any, tmp_path: Path) -> None:
    put(s3, "raw/one.csv")
    code, log = pods.run("process_shard", tmp_path, ENVIRONMENT)
    assert code == 0, log
    assert "1 objects" in log.splitlines()[-1]

    code, log = pods.run("process_shard", tmp_path, {**ENVIRONMENT, "RUN": "own", "PROCESSOR": "own:count"})
    assert code == 2
    assert "No module named 'own'" in log
    (tmp_path / "cwd/own.py").write_text("def count(key, body):\n    return {'lines': len(body.readlines())}\n")
    code, log = pods.run("process_shard", tmp_path, {**ENVIRONMENT, "RUN": "own", "PROCESSOR": "own:count"})
    assert code == 0, log
    assert read(s3, "results/own/objects/raw/one.csv.json")["result"] == {"lines": 3}


def test_a_setting_that_is_not_a_number_is_reported(aws: Running, tmp_path: Path) -> None:
    code, log = pods.run("process_shard", tmp_path, {**ENVIRONMENT, "SHARDS": "many"})

    assert code == 2
    assert 'environment variable SHARDS: "many" is not a whole number' in log


def test_a_killed_index_resumes_when_restarted(s3: Any, aws: Running, tmp_path: Path) -> None:
    put(s3, *(f"raw/{number}.csv" for number in range(30)))
    aws.emulator.faults.add(parse({"kind": "region", "region": HERE, "slow": 0.2}))
    with pods.started("process_shard", tmp_path, ENVIRONMENT) as process_:
        assert process_.stdout
        next(line for line in process_.stdout if "sha256" in line)
        process_.kill()
        process_.wait()
    aws.emulator.faults.clear()
    done = len(keys(s3, "results/run-1/objects/"))

    assert 0 < done < 30
    assert keys(s3, "results/run-1/shards/") == []
    code, log = pods.run("process_shard", tmp_path, ENVIRONMENT)
    assert code == 0, log
    before = int(log.partition("30 objects, ")[2].partition(" ")[0])
    assert done <= before < 30, "what was under way when it was killed may have arrived since"
    assert read(s3, "results/run-1/shards/0.json")["objects"] == 30


def test_a_pod_ends_at_once_on_sigterm(s3: Any, aws: Running, tmp_path: Path) -> None:
    put(s3, "raw/1")
    aws.emulator.faults.add(parse({"kind": "region", "region": HERE, "slow": 5}))
    with pods.started("process_shard", tmp_path, ENVIRONMENT) as process_:
        wait_for_sigterm_handler(process_.pid)
        process_.terminate()

        assert process_.wait(4) == 128 + 15


def wait_for_sigterm_handler(pid: int) -> None:
    """Wait until a process handles SIGTERM: bit 14 of the signals that it catches, according to the kernel."""

    def handled() -> bool:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught, 16) >> 14 & 1)

    wait_for(handled)
