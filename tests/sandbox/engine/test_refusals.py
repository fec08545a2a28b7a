"""Refusals and recovery of the stand-in for the AWS plugin and of the sandbox, with the real engine."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from dr.errors import Failed
from sandbox import server_process
from tests.support.sandbox import SandboxUnderTest, copy_project, sandbox_in

pytestmark = pytest.mark.engine

EAST = "us-east-1"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[SandboxUnderTest]:
    with sandbox_in(tmp_path) as made:
        yield made


PROGRAMS = {
    "an unknown property": (
        "from pulumi_aws import s3\ns3.Bucket('b', bucket='b-of-ours', website={'index_document': 'i.html'})",
        "website",
    ),
    "an unknown type": ("from pulumi_aws import glacier\nglacier.Vault('v')", "aws:glacier/vault:Vault"),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_unsupported_type_or_property_is_reported(what: str, tmp_path: Path) -> None:
    program, named = PROGRAMS[what]
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(program)
    with (
        sandbox_in(tmp_path, copy_project(tmp_path / "project", tmp_path / "program")) as sandbox,
        pytest.raises(Failed) as caught,
    ):
        sandbox.engine.up("primary")

    assert named in str(caught.value)


IMPORTS = """
    import pulumi
    from pulumi_aws import s3
    s3.Bucket("mine", bucket="made-by-hand", force_destroy=True, opts=pulumi.ResourceOptions(import_="made-by-hand"))
"""


def test_bucket_created_by_hand_is_imported(tmp_path: Path) -> None:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "__main__.py").write_text(textwrap.dedent(IMPORTS))
    with sandbox_in(tmp_path, copy_project(tmp_path / "project", tmp_path / "program")) as sandbox:
        sandbox.client("s3", EAST).create_bucket(Bucket="made-by-hand")
        assert sandbox.engine.up("primary").counts["import"] == 1
        assert sandbox.engine.up("primary").none


def test_stopped_sandbox_is_reported_with_the_command_that_starts_it(sandbox: SandboxUnderTest) -> None:
    server_process.stop(sandbox.local)
    with pytest.raises(Failed) as caught:
        sandbox.engine.preview("primary")

    assert "us-east-1 does not answer" in str(caught.value)
    assert "`make up` starts a stopped sandbox" in str(caught.value)


def test_lock_of_a_killed_engine_does_not_block_the_next(sandbox: SandboxUnderTest) -> None:
    locks = sandbox.local.backend / ".pulumi/locks/organization/dr/primary"
    locks.mkdir(parents=True)
    gone = {"pid": 2**22 + 1, "username": "user", "hostname": "here", "timestamp": "2026-11-23T03:00:00Z"}
    (locks / "dead.json").write_text(json.dumps(gone))

    assert sandbox.engine.preview("primary").counts.keys() == {"create"}
