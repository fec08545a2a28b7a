"""Processes one shard of the region's own datasets, as a pod of an indexed Job.

A key belongs to the shard that a hash of it says, the same in every pod, region and run. What is done with an object
is a function, `PROCESSOR=module:function`, called with its key and its bytes as a stream, and answering what JSON can
hold; without one the object is profiled (`dr.pods.data_profile`).

    <results>/<run>/objects/<key>.json    an object's version, size, hash and result; that it is there means it is done
    <results>/<run>/shards/<index>.json   what the shard had, written last, with one hash over its results

A pod that is killed or evicted is started again by the Job, and does what is left. A run sees each key once: what is
written to a dataset while it goes on belongs to the next one.
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
from dr.data.model_sets import CHUNK
from dr.errors import DrError, Failed, Invalid, Problem
from dr.pods import data_profile
from dr.pods.run import run, say

Processor = Callable[[str, BinaryIO], Mapping[str, Any]]
AT_ONCE = 4
"""Objects; a pod's threads share a processor, and more pods do more."""


@dataclass(frozen=True)
class Shard:
    """What a pod is to process.

    Args:
        region: The own region.
        bucket: Its datasets bucket.
        prefix: Where datasets begin; empty is the whole bucket.
        results: Where results begin, in the same bucket.
        run: Name of the run: what has a result in it is done.
        index: Which shard, from 0.
        shards: How many there are.
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
            fact = f"index {self.index} is not one of {self.shards} shards"
            problems.append(Problem("the shard", fact, "let the Job's completions be SHARDS"))
        if not self.results.strip("/"):
            fact = "it is empty, and results would lie among the datasets"
            problems.append(Problem("RESULTS_PREFIX", fact, "name a folder: results"))
        if problems:
            raise Invalid(*problems)

    @property
    def folder(self) -> str:
        """Where the run's results are."""
        return f"{self.results.strip('/')}/{self.run}/"

    def has(self, key: str) -> bool:
        """Whether a key belongs to this shard. Not Python's own hash, which differs from process to process."""
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % self.shards == self.index

    def result_key(self, key: str) -> str:
        """Where an object's result is."""
        return f"{self.folder}objects/{key}.json"

    @property
    def summary_key(self) -> str:
        """Where the shard's summary is."""
        return f"{self.folder}shards/{self.index}.json"


@dataclass(frozen=True)
class Summary:
    """What a shard had.

    Args:
        index: Which shard.
        shards: How many there are.
        objects: How many objects it had.
        size: Their bytes.
        digest: SHA-256 over keys and the hashes of their results, in order: equal results have an equal digest.
    """

    index: int
    shards: int
    objects: int
    size: int
    digest: str


class _Hashed(io.RawIOBase):
    """A stream that knows the hash and size of what was read of it."""

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
    """Process the shard that the environment names."""
    given = environment.read(
        *("AWS_REGION", "DATASETS_BUCKET", "RESULTS_PREFIX", "JOB_COMPLETION_INDEX", "SHARDS", "RUN")
    )
    shard = Shard(
        region=given["AWS_REGION"],
        bucket=given["DATASETS_BUCKET"],
        prefix=os.environ.get("DATASETS_PREFIX", ""),
        results=given["RESULTS_PREFIX"],
        run=given["RUN"],
        index=_number("JOB_COMPLETION_INDEX", given),
        shards=_number("SHARDS", given),
    )
    process(shard, processor_of(os.environ.get("PROCESSOR", "")))


def processor_of(name: str) -> Processor:
    """The function of a name, "module:function"; the profile where it is empty.

    Raises:
        Invalid: there is none.
    """
    if not name:
        return data_profile.profile
    module, _, function = name.partition(":")
    try:
        found: Processor = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = "name one as module:function, of a module that the image or the mounted code has"
        raise Invalid(Problem("PROCESSOR", f'"{name}" cannot be used: {error}', remedy)) from error
    return found


def process(shard: Shard, processor: Processor = data_profile.profile) -> Summary:
    """Process what of a shard has no result yet, and write its summary.

    Args:
        shard: What is to be done.
        processor: What is done with each object.

    Raises:
        Failed: objects that could not be processed, all of them; what else could be has its result, and the shard no
            summary.
        Unreachable: the region does not answer.
    """
    keys = [
        key
        for key in _keys(shard, shard.prefix)
        if shard.has(key) and not key.startswith(f"{shard.results.strip('/')}/")
    ]
    folder = shard.result_key("").removesuffix(".json")
    done = {key.removeprefix(folder).removesuffix(".json") for key in _keys(shard, folder)}
    left = [key for key in keys if key not in done]
    say(f"shard {shard.index} of {shard.shards}: {len(keys)} objects, {len(keys) - len(left)} of them done before")
    problems: list[Problem] = []
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        for pending in [pool.submit(_process, shard, processor, key) for key in left]:
            try:
                say(pending.result())
            except Unreachable:
                pool.shutdown(cancel_futures=True)
                raise
            except DrError as error:
                problems += error.problems
                say(str(error))
    if problems:
        raise Failed(*problems)
    return _summarise(shard, keys)


def _process(shard: Shard, processor: Processor, key: str) -> str:
    """Process an object and write its result; what there is to say."""
    where = f"s3://{shard.bucket}/{key}"
    try:
        with calls(where, shard.region):
            found = client("s3", shard.region).get_object(Bucket=shard.bucket, Key=key)
    except Missing:
        return f"{key}: deleted since it was listed, left out"
    stream = _Hashed(found["Body"])
    body = io.BufferedReader(stream, CHUNK)
    try:
        with calls(where, shard.region):
            result = dict(processor(key, cast(BinaryIO, body)))
            # The hash is of all of it, whatever a processor looked at; and gzip and text readers close what they read.
            while stream.readinto(bytearray(CHUNK)):
                pass
        values = {"key": key, "version_id": found.get("VersionId"), "size": stream.size, "sha256": stream.sha256}
        text = json.dumps({**values, "result": result}, sort_keys=True)
    except DrError:
        raise
    except Exception as error:  # whatever a processor of somebody else's raises: the other objects go on
        fact = f"it could not be processed: {type(error).__name__}: {error}"
        raise Failed(Problem(where, fact, "mend the object or the processor; what is done is kept")) from error
    _put(shard, shard.result_key(key), text)
    return f"{key}: {stream.size:,} bytes, sha256 {stream.sha256}"


def _summarise(shard: Shard, keys: Iterable[str]) -> Summary:
    """Read every result of the shard: what is counted is what is there."""

    def read(key: str) -> tuple[str, str, int] | None:
        try:
            text = read_object(shard.region, shard.bucket, shard.result_key(key))
        except Missing:  # left out
            return None
        return key, hashlib.sha256(text).hexdigest(), int(json.loads(text)["size"])

    with ThreadPoolExecutor(max_workers=4 * AT_ONCE) as pool:
        results = [each for each in pool.map(read, sorted(keys)) if each]
    digest = hashlib.sha256(json.dumps([each[:2] for each in results]).encode()).hexdigest()
    summary = Summary(shard.index, shard.shards, len(results), sum(each[2] for each in results), digest)
    _put(shard, shard.summary_key, json.dumps(asdict(summary)))
    say(f"{shard.summary_key}: {summary.objects} objects, {summary.size:,} bytes, digest {digest}")
    return summary


def _keys(shard: Shard, prefix: str) -> list[str]:
    with calls(f"s3://{shard.bucket}/{prefix}", shard.region):
        pages = client("s3", shard.region).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=shard.bucket, Prefix=prefix)
        return [each["Key"] for page in found for each in page.get("Contents", [])]


def _put(shard: Shard, key: str, text: str) -> None:
    with calls(f"s3://{shard.bucket}/{key}", shard.region):
        client("s3", shard.region).put_object(
            Bucket=shard.bucket, Key=key, Body=text, ContentType="application/json", ChecksumAlgorithm="SHA256"
        )


def _number(name: str, given: Mapping[str, str]) -> int:
    try:
        return int(given[name])
    except ValueError as error:
        fact = f'"{given[name]}" is no whole number'
        raise Invalid(Problem(f"environment variable {name}", fact, "set it to one, from 0")) from error


if __name__ == "__main__":
    run(main)
