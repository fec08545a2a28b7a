"""Shell of `make shell`: the user's login shell with a prompt that names the sandbox.

The user's own configuration is read first. It may put other programs first on PATH, as pyenv and conda do, or name an
AWS profile. The sandbox's variables are therefore set again after it.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.engine.environment import FOREIGN

LABEL = "(ml-dr sandbox) "
PREFIXES = "|".join(FOREIGN)
UNSET = rf"""
for name in $(env | sed -n -E 's/^(({PREFIXES})[A-Za-z0-9_]*)=.*/\1/p'); do unset "$name"; done
unset name"""
UNSET_IN_FISH = f"for name in (set --names --export | string match -r '^(?:{PREFIXES}).*'); set -e $name; end"


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


def interactive(program: str, folder: Path, variables: Mapping[str, str]) -> Shell:
    """Return the shell to start; bash, zsh and fish read the user's own configuration first.

    Args:
        program: Path or name of the shell.
        folder: Folder for start-up files.
        variables: The sandbox's variables, which hold after that configuration; with PATH, before the user's own one.
    """
    match Path(program).name:
        case "bash":
            file = folder / "bashrc"
            text = f'[ -f ~/.bashrc ] && . ~/.bashrc\n{_set_again(variables)}\nPS1="{LABEL}${{PS1-}}"\n'
            return Shell([program, "--rcfile", str(file), "-i"], files={file: text})
        case "zsh":
            # zsh reads start-up files from ZDOTDIR; .zshrc restores the user's value for child processes.
            own = shlex.quote(os.environ.get("ZDOTDIR") or str(Path.home()))
            read = f"ZDOTDIR={own}\n[ -f {own}/.zshrc ] && . {own}/.zshrc"
            files = {
                folder / ".zshenv": f"[ -f {own}/.zshenv ] && . {own}/.zshenv\nZDOTDIR={shlex.quote(str(folder))}\n",
                folder / ".zshrc": f'{read}\n{_set_again(variables)}\nPROMPT="{LABEL}$PROMPT"\n',
            }
            return Shell([program, "-i"], {"ZDOTDIR": str(folder)}, files)
        case "fish":
            again = [f"set -gx {name} {shlex.quote(value)}" for name, value in variables.items() if name != "PATH"]
            first = " ".join(map(shlex.quote, variables["PATH"].split(os.pathsep)))
            name = "functions --copy fish_prompt ml_dr_prompt"
            prompt = f"{name}; function fish_prompt; echo -n {shlex.quote(LABEL)}; ml_dr_prompt; end"
            commands = [UNSET_IN_FISH, *again, f"set -gx PATH {first} $PATH", prompt]
            return Shell([program, "--init-command", "; ".join(commands)])
        case _:
            return Shell([program], {"PS1": f"{LABEL}$ "})


def _set_again(variables: Mapping[str, str]) -> str:
    """Return the commands of bash and zsh that set the variables and remove foreign ones."""
    again = [f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name != "PATH"]
    return "\n".join([UNSET, *again, f'export PATH={shlex.quote(variables["PATH"])}:"$PATH"'])
