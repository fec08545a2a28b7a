"""The prompt of `make shell`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.cli.prompt import LABEL, interactive


def test_bash_prompt_shows_the_sandbox_before_the_users_prompt(tmp_path: Path) -> None:
    home = tmp_path / "home of it"
    home.mkdir()
    (home / ".bashrc").write_text("PS1='mine> '\nOWN=read\n")
    shell = interactive(str(shutil.which("bash")), tmp_path / "a folder")
    shell.write_files()
    done = subprocess.run(
        shell.command,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        input='echo "prompt=$PS1 own=$OWN"\n',
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"prompt={LABEL}mine>  own=read" in done.stdout


def test_zsh_prompt_is_set_after_the_users_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZDOTDIR", "/home/me/zsh files")
    shell = interactive("/bin/zsh", tmp_path)
    own, prompt = shell.files[tmp_path / ".zshrc"].splitlines()[1:]

    assert shell.variables == {"ZDOTDIR": str(tmp_path)}
    assert own == "[ -f '/home/me/zsh files'/.zshrc ] && . '/home/me/zsh files'/.zshrc"
    assert prompt == f'PROMPT="{LABEL}$PROMPT"'


def test_other_shells_get_the_prompt_from_ps1(tmp_path: Path) -> None:
    assert interactive("/bin/sh", tmp_path).variables == {"PS1": f"{LABEL}$ "}
