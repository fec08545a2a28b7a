"""The policy pack, run by the real engine on the primary stack and on programs that violate it.

test_tiers.py runs it on the dr stack in every tier.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dr.errors import Failed
from sandbox.local import ROOT
from tests.support.sandbox import SandboxUnderTest, copy_project, sandbox_in

pytestmark = [pytest.mark.engine, pytest.mark.thorough]

PACK = [str(ROOT / "policies")]


def test_deployed_primary_stack_with_an_adopted_bucket_has_no_policy_violation(primary_alone: SandboxUnderTest) -> None:
    primary_alone.client("s3", "us-east-1").create_bucket(Bucket="our-old-data")
    buckets = [{"name": "datasets", "existing": "our-old-data"}]
    with primary_alone.configured("primary", buckets=buckets, protectData="false"):
        found = primary_alone.engine.preview("primary", policy_packs=PACK).violations
    # Data is not protected here, which the rule on databases advises against: the global cluster and its cluster.
    assert [each.partition(",")[0] for each in found] == ["advisory database-deletion-protection"] * 2


BROKEN = """
    from pulumi_aws import kms, s3
    tags = {"project": "ml-dr", "workload": "ml-dr", "role": "primary", "backup": "enabled"}
    bucket = s3.Bucket("open", bucket="open-to-all", tags=tags)
    s3.BucketPublicAccessBlock("block", bucket=bucket.bucket, block_public_acls=False, block_public_policy=True,
        ignore_public_acls=True, restrict_public_buckets=True)
    kms.Key("stale", description="never rotated", tags=tags)
"""


@contextmanager
def running(program: str, folder: Path) -> Iterator[SandboxUnderTest]:
    (folder / "program").mkdir()
    (folder / "program" / "__main__.py").write_text(textwrap.dedent(program))
    with sandbox_in(folder, copy_project(folder / "project", folder / "program")) as sandbox:
        yield sandbox


def test_violation_of_a_mandatory_policy_stops_the_update_with_reason_and_remedy(tmp_path: Path) -> None:
    with running(BROKEN, tmp_path) as sandbox:
        with pytest.raises(Failed) as caught:
            sandbox.engine.up("primary", policy_packs=PACK)
        said = str(caught.value)
        assert "mandatory kms-key-rotation-enabled, stale: A KMS key must rotate every year. Reason:" in said
        assert "enableKeyRotation is false, not true -> set enableKeyRotation to true" in said
        assert sandbox.client("kms", "us-east-1").list_keys()["Keys"] == []
        # Rules on several resources are evaluated after each resource has passed its own rules.
        repaired = BROKEN.replace('description="never rotated"', "enable_key_rotation=True")
        (tmp_path / "program" / "__main__.py").write_text(textwrap.dedent(repaired))
        with pytest.raises(Failed, match="blockPublicAcls is false, not true -> create a BucketPublicAccessBlock"):
            sandbox.engine.preview("primary", policy_packs=PACK)
