"""The `pulumi` command, replaced by a script that records its arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dr.errors import Failed, Invalid
from dr.operations.pulumi_cli import PulumiStack


@pytest.fixture
def stack(tmp_path: Path) -> PulumiStack:
    return PulumiStack(tmp_path, "dr")


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, output: str = "", errors: str = "", code: int = 0) -> Path:
    """Put a `pulumi` on PATH, and return the file with its arguments and its standard input."""
    log, program = folder / "arguments", folder / "bin" / "pulumi"
    program.parent.mkdir()
    script = folder / "pulumi.py"
    script.write_text(
        "import sys\n"
        f"open({str(log)!r}, 'w').write(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())\n"
        f"print({output!r}); print({errors!r}, file=sys.stderr); sys.exit({code})\n"
    )
    # A shell script: the path of the interpreter may have spaces, which a first line cannot name.
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return log


def test_state_is_exported_and_imported(stack: PulumiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(tmp_path, monkeypatch, output='{"version": 3}')
    monkeypatch.setattr(sys, "stdin", None)

    assert stack.export_state() == {"version": 3}
    stack.import_state({"version": 3})
    assert log.read_text() == 'stack import --stack dr --non-interactive|{"version": 3}'


def test_update_uses_the_stacks_own_configuration_or_another_file(
    stack: PulumiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(tmp_path, monkeypatch)
    stack.update()
    assert log.read_text().startswith("up --yes --skip-preview --stack dr --non-interactive|")

    stack.update(tmp_path / "copy.yaml")
    assert f"--config-file {tmp_path / 'copy.yaml'}" in log.read_text()


def test_failed_update_has_the_end_of_the_output(
    stack: PulumiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, output=f"{'x' * 5000} error: no capacity", code=255)
    with pytest.raises(Failed) as caught:
        stack.update()

    (problem,) = caught.value.problems
    assert (problem.subject, problem.fact.endswith("error: no capacity")) == ("pulumi up -s dr", True)
    assert len(problem.fact) <= 2000


def test_locked_stack_names_the_command_that_unlocks_it(
    stack: PulumiStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, errors="error: the stack is currently locked by 1 lock(s)", code=255)
    with pytest.raises(Failed, match="pulumi cancel -s dr"):
        stack.update()


def test_missing_command_is_named(stack: PulumiStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Invalid, match="is not on PATH"):
        stack.update()
