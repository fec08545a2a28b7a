"""The prompt of `make shell`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.cli.prompt import LABEL, Shell, interactive

VARIABLES = {"PATH": f"/it's first{os.pathsep}{os.environ['PATH']}", "AWS_REGION": "us-east-1", "DR_PROJECT": "a 'b' c"}
OWN = """\
export PATH="/shims:$PATH" OWN=read
export AWS_REGION=eu-west-1 AWS_PROFILE=production PULUMI_ACCESS_TOKEN=mine
"""
"""What a user's configuration does."""
ASK = "env | grep -E '^(OWN|AWS_|PULUMI_|DR_|PATH)' | sort"


def answers(shell: Shell, home: Path, ask: str) -> str:
    shell.write_files()
    found = {"PATH": os.environ["PATH"], "HOME": str(home), "USER": "me", "TERM": "dumb"}
    done = subprocess.run(
        shell.command, env={**found, **shell.variables}, input=f"{ask}\n", capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize(
    ("name", "file", "own"),
    [
        ("bash", ".bashrc", OWN),
        ("zsh", ".zshrc", OWN),
        ("fish", ".config/fish/config.fish", OWN.replace('"', "").replace(":$PATH", " $PATH")),
    ],
)
def test_the_sandboxs_variables_hold_after_the_users_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str, own: str
) -> None:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    home = tmp_path / "home of it"
    (home / file).parent.mkdir(parents=True)
    (home / file).write_text(own)
    monkeypatch.setenv("ZDOTDIR", str(home))
    shown = answers(interactive(program, tmp_path / "a folder", VARIABLES), home, ASK)

    lines = dict(line.partition("=")[::2] for line in shown.splitlines() if line.count("="))
    path = lines["PATH"].split(os.pathsep)
    assert (path[0], "/shims" in path) == ("/it's first", True)
    assert (lines["OWN"], lines["AWS_REGION"], lines["DR_PROJECT"]) == ("read", "us-east-1", "a 'b' c")
    assert not {"AWS_PROFILE", "PULUMI_ACCESS_TOKEN"} & lines.keys()


def test_bash_prompt_shows_the_sandbox_before_the_users_prompt(tmp_path: Path) -> None:
    home = tmp_path / "home of it"
    home.mkdir()
    (home / ".bashrc").write_text("PS1='mine> '\nOWN=read\n")
    shell = interactive(str(shutil.which("bash")), tmp_path / "a folder", VARIABLES)

    assert f"prompt={LABEL}mine>  own=read" in answers(shell, home, 'echo "prompt=$PS1 own=$OWN"')


def test_zsh_prompt_is_set_after_the_users_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDOTDIR", "/home/me/zsh files")
    shell = interactive("/bin/zsh", tmp_path, VARIABLES)
    _, own, *_, prompt = shell.files[tmp_path / ".zshrc"].splitlines()

    assert shell.variables == {"ZDOTDIR": str(tmp_path)}
    assert own == "[ -f '/home/me/zsh files'/.zshrc ] && . '/home/me/zsh files'/.zshrc"
    assert prompt == f'PROMPT="{LABEL}$PROMPT"'


def test_other_shells_get_the_prompt_from_ps1(tmp_path: Path) -> None:
    assert interactive("/bin/sh", tmp_path, VARIABLES).variables == {"PS1": f"{LABEL}$ "}
