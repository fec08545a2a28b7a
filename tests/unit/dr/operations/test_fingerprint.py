"""Fingerprint of code, configuration, tier and model set: each part changes one part of the value."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dr.data.model_sets import Manifest
from dr.operations import fingerprint
from dr.operations.fingerprint import Fingerprint
from dr.topology.tiers import Tier
from dr.topology.topology import Role
from tests.support.builders import half, topology
from tests.support.scenes import scene

ROOT = Path(__file__).parents[4]
PARTS = {"code": "1", "configuration": "2", "tier": "pilot", "model_set": "20261128T120000Z-a1b2c3d4"}


def test_equal_parts_have_an_equal_value() -> None:
    assert Fingerprint(PARTS).value == Fingerprint(dict(PARTS)).value
    assert Fingerprint(PARTS).changed(Fingerprint(PARTS).value) == ()


@pytest.mark.parametrize("part", PARTS)
def test_changed_part_is_named(part: str) -> None:
    assert Fingerprint({**PARTS, part: "other"}).changed(Fingerprint(PARTS).value) == (part,)


def test_every_part_of_a_fingerprint_in_another_form_has_changed() -> None:
    assert Fingerprint(PARTS).changed("a1b2") == tuple(PARTS)


def test_fingerprint_has_the_parts_of_the_recovery_region(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Manifest("digits", "20261128T120000Z-a1b2c3d4", "2026-11-28T12:00:00+00:00", "", ())
    monkeypatch.setattr(fingerprint, "newest_whole", lambda scene: (manifest, []))
    found = fingerprint.of(scene(halves={Role.PRIMARY: half(), Role.RECOVERY: half(Role.RECOVERY, tier="warm")}))

    assert found.parts == {
        "code": fingerprint.code(ROOT),
        "configuration": fingerprint.configuration(topology(Role.RECOVERY)),
        "tier": "warm",
        "model_set": manifest.set_id,
    }


def test_region_without_a_whole_model_set_has_a_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "newest_whole", lambda scene: (None, []))

    assert fingerprint.of(scene()).parts["model_set"] == "none"


def test_configuration_is_hashed_equally_by_another_process() -> None:
    code = (
        "from dr.operations.fingerprint import configuration; from dr.topology.topology import Role; "
        "from tests.support.builders import topology; print(configuration(topology(Role.RECOVERY)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == fingerprint.configuration(topology(Role.RECOVERY))


def test_setting_changes_the_configuration_and_the_tier_does_not() -> None:
    before = topology(Role.RECOVERY)

    assert fingerprint.configuration(replace(before, karpenter=True)) != fingerprint.configuration(before)
    assert fingerprint.configuration(replace(before, tier=Tier.WARM)) == fingerprint.configuration(before)
    assert fingerprint.configuration(before.with_activation(Tier.ACTIVE)) == fingerprint.configuration(before)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    for name in ("__main__.py", "dr/main.py", "stacks/serving.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest.mark.parametrize("name", ["__main__.py", "dr/main.py", "stacks/serving.py", "components/new.py"])
def test_file_of_the_program_changes_the_code(program: Path, name: str) -> None:
    before = fingerprint.code(program)
    (program / name).parent.mkdir(exist_ok=True)
    (program / name).write_text("changed")

    fingerprint.code.cache_clear()
    assert fingerprint.code(program) != before


@pytest.mark.parametrize("name", ["docs/new.md", "tests/test_new.py", "dr/__pycache__/main.pyc", "dr/.main.py.swp"])
def test_other_file_does_not_change_the_code(program: Path, name: str) -> None:
    before = fingerprint.code(program)
    (program / name).parent.mkdir(exist_ok=True)
    (program / name).write_text("changed")

    fingerprint.code.cache_clear()
    assert fingerprint.code(program) == before


def test_code_of_a_machine_with_dr_alone_is_hashed(program: Path) -> None:
    (program / "__main__.py").unlink()
    (program / "stacks/serving.py").unlink()

    fingerprint.code.cache_clear()
    assert len(fingerprint.code(program)) == 64
