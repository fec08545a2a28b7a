"""Shell of `make shell`: the user's login shell with a prompt that names the sandbox."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LABEL = "(ml-dr sandbox) "


@dataclass(frozen=True)
class Shell:
    """An interactive shell.

    Args:
        command: Command that starts the shell.
        variables: Environment variables of the shell, in addition to those of the sandbox.
        files: Content of start-up files, by path.
    """

    command: list[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[Path, str] = field(default_factory=dict)

    def write_files(self) -> None:
        """Write the start-up files."""
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def interactive(program: str, folder: Path) -> Shell:
    """Return the shell to start; bash, zsh and fish read the user's own configuration first.

    Args:
        program: Path or name of the shell.
        folder: Folder for start-up files.
    """
    match Path(program).name:
        case "bash":
            file = folder / "bashrc"
            text = f'[ -f ~/.bashrc ] && . ~/.bashrc\nPS1="{LABEL}${{PS1-}}"\n'
            return Shell([program, "--rcfile", str(file), "-i"], files={file: text})
        case "zsh":
            # zsh reads start-up files from ZDOTDIR; .zshrc restores the user's value for child processes.
            own = shlex.quote(os.environ.get("ZDOTDIR") or str(Path.home()))
            files = {
                folder / ".zshenv": f"[ -f {own}/.zshenv ] && . {own}/.zshenv\nZDOTDIR={shlex.quote(str(folder))}\n",
                folder / ".zshrc": f'ZDOTDIR={own}\n[ -f {own}/.zshrc ] && . {own}/.zshrc\nPROMPT="{LABEL}$PROMPT"\n',
            }
            return Shell([program, "-i"], {"ZDOTDIR": str(folder)}, files)
        case "fish":
            name = "functions --copy fish_prompt ml_dr_prompt"
            prompt = f"{name}; function fish_prompt; echo -n {shlex.quote(LABEL)}; ml_dr_prompt; end"
            return Shell([program, "--init-command", prompt])
        case _:
            return Shell([program], {"PS1": f"{LABEL}$ "})
