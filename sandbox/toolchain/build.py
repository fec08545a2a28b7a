"""Builds programs with Go, from exactly the modules that a go.mod and its go.sum name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dr.errors import Failed, Problem
from sandbox.toolchain import go_cache
from sandbox.toolchain.cache import Report

MODULE_FOLDER = Path(__file__).parent / "modules"
"""A folder for each set of Go modules."""
SHARE_OF_COMPILING = 0.95
"""The rest of a build is the linker's, which does not say how far it is."""


def numbers(version: str) -> tuple[int, ...]:
    """`3.258.0` as numbers that can be compared."""
    return tuple(int(number) for number in version.split("."))


@dataclass(frozen=True)
class Modules:
    """A folder with go.mod, the one place that names versions, and go.sum.

    Args:
        folder: Where they are.
        subject: What is built from them, as a person knows it: "pulumi".
        main: The module whose version is the subject's.
        minutes: Of a processor, to build it from an empty cache; measured, for progress alone.
        on_path: Whether a person may install the subject on PATH instead.
    """

    folder: Path
    subject: str
    main: str
    minutes: float = 1.0
    on_path: bool = True

    @cached_property
    def version(self) -> str:
        """Of the main module, without its `v`."""
        return self._version(self.main)

    @property
    def label(self) -> str:
        """The version as a person reads it: of a commit, its date."""
        commit = re.search(r"-(\d{4})(\d\d)(\d\d)\d{6}-[0-9a-f]{12}$", self.version)
        return "-".join(commit.groups()) if commit else self.version

    @cached_property
    def go(self) -> str:
        """The oldest Go that builds it."""
        return self._pinned(r"^go (\S+)")

    @property
    def _instead(self) -> str:
        return f", or install {self.subject} on PATH" if self.on_path else ""

    def _version(self, module: str) -> str:
        return self._pinned(rf"^\s*{re.escape(module)} v(\S+)")

    def _pinned(self, pattern: str) -> str:
        file = self.folder / "go.mod"
        found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
        if not found:
            raise Failed(Problem(str(file), f"names no {self.subject} or no Go version", "restore the file from git"))
        return found[1]

    def build(self, packages: Sequence[str], ldflags: str, output: Path, report: Report) -> None:
        """Make the programs of some packages: a file where it is one, in a folder where they are several.

        Raises:
            Failed: Go is missing, too old, or did not succeed; its last words are in the problem.
            OSError: The output cannot be written.
        """
        what = f"{self.subject} {self.label}"
        variables = self._environment(output.parent)
        flags = ["-mod=readonly", "-trimpath", f"-ldflags=-s -w {ldflags}"]
        fetched = todo = compiled = 0
        said = -1

        def fetch(line: str) -> None:
            nonlocal fetched, todo
            fetched += line.startswith("go: downloading")
            todo += line == "true"
            if line.startswith("go: downloading"):
                report(f"fetching the sources of {what}: {fetched} modules", None)

        def compile_(line: str) -> None:
            nonlocal compiled, said
            compiled += not line.startswith(("go: ", "#"))
            share = min(compiled / max(todo, 1), 1.0) * SHARE_OF_COMPILING
            if int(share * 100) > said:
                said = int(share * 100)
                report(f"building {what}: {min(compiled, todo)} of {todo} packages", share)

        report(f"building {what} from source: some minutes, once for each user", 0.0)
        # Stale: not yet in Go's own build cache, so a build that was killed goes on where it was.
        self._go(["list", *flags, "-deps", "-f", "{{.Stale}}", *packages], variables, fetch)
        self._go(["build", *flags, "-v", "-o", str(output), *packages], variables, compile_)

    def source(self, module: str) -> Path:
        """Where Go keeps the sources of one of the modules. Raises Failed."""
        found = deque[str](maxlen=1)
        self._go(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module], self._environment(None), found.append)
        return Path(found[0])

    def download(self, modules: Sequence[str]) -> dict[str, Path]:
        """Where Go keeps the sources of some of the modules, which it fetches and checks against go.sum. Raises Failed.

        What they require in turn is not fetched.
        """
        wanted = [f"{module}@v{self._version(module)}" for module in modules]
        lines: list[str] = []
        self._go(["mod", "download", "-json", *wanted], self._environment(None), lines.append)
        objects = re.findall(r"^\{$.*?^\}$", "\n".join(lines), re.MULTILINE | re.DOTALL)
        return {found["Path"]: Path(found["Dir"]) for found in map(json.loads, objects)}

    def _environment(self, folder: Path | None) -> dict[str, str]:
        if not shutil.which("go"):
            remedy = f"install Go {self.go} or newer and put it on PATH{self._instead}"
            raise Failed(Problem("build", "there is no `go` on PATH", remedy))
        # A toolchain that Go fetches by itself is another big download: only if the person says so.
        variables = {"GOTOOLCHAIN": "local", **os.environ, "GOWORK": "off", **go_cache.variables()}
        # Not in the folder of go.mod, where a Go that is too old refuses to say what it is.
        said = subprocess.run(["go", "version"], cwd=folder, env=variables, capture_output=True, text=True).stdout
        version = re.search(r"go(\d+(?:\.\d+)+)", said)
        if version and numbers(version[1]) < numbers(self.go) and variables["GOTOOLCHAIN"] == "local":
            remedy = f"install Go {self.go} or newer, or set GOTOOLCHAIN=auto to let Go fetch it"
            raise Failed(Problem("build", f"Go is {version[1]}; {self.subject} needs {self.go}", remedy))
        return variables

    def _go(self, arguments: list[str], variables: dict[str, str], each_line: Callable[[str], None]) -> None:
        tail = deque[str](maxlen=8)
        with subprocess.Popen(
            ["go", *arguments],
            cwd=self.folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stdout or ():
                    tail.append(line.rstrip())
                    each_line(tail[-1])
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            last = "\n    ".join(tail)
            fact = f"`go {arguments[0]}` ended with {process.returncode}:\n    {last}"
            raise Failed(Problem("build", fact, self._remedy(last)))

    def _remedy(self, last: str) -> str:
        if "no space left" in last.lower() or "read-only file system" in last.lower():
            return (
                "make room, or set DR_TOOLCHAIN_CACHE (the result) and GOCACHE, GOMODCACHE (Go's own) to other folders"
            )
        if any(sign in last for sign in ("dial tcp", "no such host", "i/o timeout", "connection refused")):
            return f"go online or set GOPROXY to a mirror that you can reach{self._instead}"
        return "see Go's own words above"
