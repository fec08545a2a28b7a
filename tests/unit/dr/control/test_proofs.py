"""Proofs in one region of moto."""

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest
from moto import mock_aws

from dr.clients import Missing
from dr.control import proofs
from dr.control.proofs import Proof
from dr.errors import Invalid, Refused
from dr.topology.topology import Role
from tests.support.buckets import make_bucket
from tests.support.builders import topology

BUCKET = "ml-dr-123456789012-us-west-2-control"
TOPOLOGY = topology(Role.RECOVERY)
PROOF = Proof(
    "region-loss", "20261128T120000Z-a1b2c3", "met", "pilot", "2026-11-28T12:04:00+00:00", "a-b-c-d", 61.5, 2.0
)


@pytest.fixture(autouse=True)
def _bucket() -> Iterator[None]:
    with mock_aws():
        make_bucket(boto3.client("s3", "us-west-2"), BUCKET)
        yield


def test_proof_is_read_back_unchanged() -> None:
    proofs.write(TOPOLOGY, PROOF)

    assert proofs.read(TOPOLOGY) == {"region-loss": PROOF}


def test_newest_proof_of_each_drill_is_read() -> None:
    later = replace(PROOF, run="20261129T120000Z-000000", verdict="missed", rto_seconds=None)
    other = replace(PROOF, drill="zone-loss")
    for proof in (later, PROOF, other):
        proofs.write(TOPOLOGY, proof)

    assert proofs.read(TOPOLOGY) == {"region-loss": later, "zone-loss": other}


def test_bucket_without_a_drill_has_no_proof() -> None:
    assert proofs.read(TOPOLOGY) == {}


def test_missing_control_bucket_is_an_error() -> None:
    with pytest.raises(Missing, match="NoSuchBucket"):
        proofs.read(replace(TOPOLOGY, bucket_prefix="other"))


def test_repeated_write_of_a_proof_is_accepted() -> None:
    proofs.write(TOPOLOGY, PROOF)
    proofs.write(TOPOLOGY, PROOF)

    assert proofs.read(TOPOLOGY) == {"region-loss": PROOF}


def test_proof_of_a_run_is_not_overwritten() -> None:
    proofs.write(TOPOLOGY, PROOF)
    with pytest.raises(Refused, match=f"run {PROOF.run} of region-loss has another proof"):
        proofs.write(TOPOLOGY, replace(PROOF, verdict="missed"))

    assert proofs.read(TOPOLOGY) == {"region-loss": PROOF}


@pytest.mark.parametrize(
    ("text", "fact"),
    [("{", "JSONDecodeError"), ("[]", "TypeError"), ('{"drill": "region-loss"}', "KeyError: 'run'")],
)
def test_invalid_proof_is_an_error_with_its_remedy(text: str, fact: str) -> None:
    with pytest.raises(Invalid, match=f"s3://bucket/key: not a valid proof: {fact}") as caught:
        proofs.parse(text, "s3://bucket/key")

    assert "run the drill again" in str(caught.value)
