"""Processes one shard of the region's datasets, as a pod of an indexed Job.

A hash of its key assigns an object to a shard, the same in every pod, region and run. Objects are processed by a
function, `PROCESSOR=module:function`. It is called with the key and a stream of the bytes, and returns a JSON value.
The default profiles the object (`dr.pods.data_profile`).

    <results>/<run>/objects/<key>.json    version, size, hash and result of an object; marks the object as done
    <results>/<run>/shards/<index>.json   summary of the shard, written last, with one hash of its results

The Job restarts a killed or evicted pod, which processes the remaining objects. A run processes each key once: objects
that are written during the run belong to the next one.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, cast

from dr import environment
from dr.clients import Missing, Unreachable, calls, client, read_object
from dr.data.hashes import CHUNK
from dr.errors import DrError, Failed, Invalid, Problem
from dr.pods import data_profile
from dr.pods.run import log, run

Processor = Callable[[str, BinaryIO], Mapping[str, Any]]
CONCURRENCY = 4
"""Objects processed at the same time in a pod. Its threads share a processor; use more pods for more throughput."""


@dataclass(frozen=True)
class Shard:
    """The shard of a pod.

    Args:
        region: The pod's own region.
        bucket: Name of its datasets bucket.
        prefix: Prefix of the datasets; empty for the whole bucket.
        results: Prefix of the results, in the same bucket.
        run: Name of the run; objects with a result in it are done.
        index: Index of the shard, from 0.
        shards: Number of shards.

    Raises:
        Invalid: The index is out of range, or the prefix of the results is empty.
    """

    region: str
    bucket: str
    prefix: str
    results: str
    run: str
    index: int
    shards: int

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.index < self.shards:
            fact = f"index {self.index} is out of range for {self.shards} shards"
            problems.append(Problem("the shard", fact, "set the Job's completions to SHARDS"))
        if not self.results.strip("/"):
            fact = "it is empty, so results would be mixed with datasets"
            problems.append(Problem("RESULTS_PREFIX", fact, 'set it to a folder, for example "results"'))
        if problems:
            raise Invalid(*problems)

    @property
    def folder(self) -> str:
        """Prefix of the run's results."""
        return f"{self.results.strip('/')}/{self.run}/"

    def has(self, key: str) -> bool:
        """Return whether a key belongs to this shard. Python's own hash differs between processes."""
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % self.shards == self.index

    def result_key(self, key: str) -> str:
        """Return the key of an object's result."""
        return f"{self.folder}objects/{key}.json"

    @property
    def summary_key(self) -> str:
        """Key of the shard's summary."""
        return f"{self.folder}shards/{self.index}.json"


@dataclass(frozen=True)
class Summary:
    """Summary of a shard.

    Args:
        index: Index of the shard.
        shards: Number of shards.
        objects: Number of objects.
        size: Their total size in bytes.
        digest: SHA-256 of keys and result hashes, in order: equal results have an equal digest.
    """

    index: int
    shards: int
    objects: int
    size: int
    digest: str


class _Hashed(io.RawIOBase):
    """A stream that computes hash and size of the bytes read from it."""

    def __init__(self, body: Any) -> None:
        self._body, self._hasher, self.size = body, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._body.read(len(buffer))
        buffer[: len(data)] = data
        self._hasher.update(data)
        self.size += len(data)
        return len(data)

    @property
    def sha256(self) -> str:
        return self._hasher.hexdigest()


def main() -> None:
    """Process the shard that the environment variables name."""
    settings = environment.read(
        *("AWS_REGION", "DATASETS_BUCKET", "RESULTS_PREFIX", "JOB_COMPLETION_INDEX", "SHARDS", "RUN")
    )
    shard = Shard(
        region=settings["AWS_REGION"],
        bucket=settings["DATASETS_BUCKET"],
        prefix=os.environ.get("DATASETS_PREFIX", ""),
        results=settings["RESULTS_PREFIX"],
        run=settings["RUN"],
        index=_number("JOB_COMPLETION_INDEX", settings),
        shards=_number("SHARDS", settings),
    )
    process(shard, processor_of(os.environ.get("PROCESSOR", "")))


def processor_of(name: str) -> Processor:
    """Return the processor with a name, "module:function"; the profile if the name is empty.

    Raises:
        Invalid: The function does not exist.
    """
    if not name:
        return data_profile.profile
    module, _, function = name.partition(":")
    try:
        processor: Processor = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = "use module:function, from a module in the image or in the mounted code"
        raise Invalid(Problem("PROCESSOR", f'"{name}" cannot be used: {error}', remedy)) from error
    return processor


def process(shard: Shard, processor: Processor = data_profile.profile) -> Summary:
    """Process the objects of a shard that have no result yet, and write its summary.

    Args:
        shard: The shard.
        processor: Function applied to each object.

    Raises:
        Failed: All objects that could not be processed. The others have their results, but the shard has no summary.
        Unreachable: The region does not answer.
    """
    keys = [
        key
        for key in _keys(shard, shard.prefix)
        if shard.has(key) and not key.startswith(f"{shard.results.strip('/')}/")
    ]
    folder = shard.result_key("").removesuffix(".json")
    done = {key.removeprefix(folder).removesuffix(".json") for key in _keys(shard, folder)}
    remaining = [key for key in keys if key not in done]
    log(f"shard {shard.index} of {shard.shards}: {len(keys)} objects, {len(keys) - len(remaining)} already done")
    problems: list[Problem] = []
    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
        for pending in [pool.submit(_process, shard, processor, key) for key in remaining]:
            try:
                log(pending.result())
            except Unreachable:
                pool.shutdown(cancel_futures=True)
                raise
            except DrError as error:
                problems += error.problems
                log(str(error))
    if problems:
        raise Failed(*problems)
    return _summarise(shard, keys)


def _process(shard: Shard, processor: Processor, key: str) -> str:
    """Process an object and write its result; return the log line."""
    url = f"s3://{shard.bucket}/{key}"
    try:
        with calls(url, shard.region):
            response = client("s3", shard.region).get_object(Bucket=shard.bucket, Key=key)
    except Missing:
        return f"{key}: skipped, deleted since the listing"
    stream = _Hashed(response["Body"])
    body = io.BufferedReader(stream, CHUNK)
    try:
        with calls(url, shard.region):
            result = dict(processor(key, cast(BinaryIO, body)))
            # Hash the rest too: processors may stop early, and gzip and text readers close what they read.
            while stream.readinto(bytearray(CHUNK)):
                pass
        values = {"key": key, "version_id": response.get("VersionId"), "size": stream.size, "sha256": stream.sha256}
        text = json.dumps({**values, "result": result}, sort_keys=True)
    except DrError:
        raise
    except Exception as error:  # a custom processor may raise anything; the other objects continue
        fact = f"processing failed: {type(error).__name__}: {error}"
        raise Failed(Problem(url, fact, "fix the object or the processor, then run again; results are kept")) from error
    _put(shard, shard.result_key(key), text)
    return f"{key}: {stream.size:,} bytes, sha256 {stream.sha256}"


def _summarise(shard: Shard, keys: Iterable[str]) -> Summary:
    """Read every result of the shard, so that the summary counts stored results."""

    def read(key: str) -> tuple[str, str, int] | None:
        try:
            text = read_object(shard.region, shard.bucket, shard.result_key(key))
        except Missing:  # deleted since the listing
            return None
        return key, hashlib.sha256(text).hexdigest(), int(json.loads(text)["size"])

    with ThreadPoolExecutor(max_workers=4 * CONCURRENCY) as pool:
        results = [each for each in pool.map(read, sorted(keys)) if each]
    digest = hashlib.sha256(json.dumps([each[:2] for each in results]).encode()).hexdigest()
    summary = Summary(shard.index, shard.shards, len(results), sum(each[2] for each in results), digest)
    _put(shard, shard.summary_key, json.dumps(asdict(summary)))
    log(f"{shard.summary_key}: {summary.objects} objects, {summary.size:,} bytes, digest {digest}")
    return summary


def _keys(shard: Shard, prefix: str) -> list[str]:
    with calls(f"s3://{shard.bucket}/{prefix}", shard.region):
        paginator = client("s3", shard.region).get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=shard.bucket, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]


def _put(shard: Shard, key: str, text: str) -> None:
    with calls(f"s3://{shard.bucket}/{key}", shard.region):
        client("s3", shard.region).put_object(
            Bucket=shard.bucket, Key=key, Body=text, ContentType="application/json", ChecksumAlgorithm="SHA256"
        )


def _number(name: str, settings: Mapping[str, str]) -> int:
    try:
        return int(settings[name])
    except ValueError as error:
        fact = f'"{settings[name]}" is not a whole number'
        raise Invalid(Problem(f"environment variable {name}", fact, "set it to a number from 0")) from error


if __name__ == "__main__":
    run(main)
