"""Builds of programs with Go, from exactly the modules that a go.mod and its go.sum pin."""

from __future__ import annotations

import hashlib
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
from sandbox.toolchain.tool import Report

MODULE_FOLDER = Path(__file__).parent / "modules"
"""A folder for each set of Go modules."""
SHARE_OF_COMPILING = 0.95
"""The linker does the rest of a build and reports no progress."""


def numbers(version: str) -> tuple[int, ...]:
    """A version such as `3.276.0` as numbers that can be compared."""
    return tuple(int(number) for number in version.split("."))


@dataclass(frozen=True)
class Modules:
    """A folder with go.mod, the one place that names versions, and go.sum.

    Args:
        folder: Where they are.
        subject: Name of the result in messages: "pulumi".
        main: The module whose version is the subject's.
        on_path: Whether a person may install the subject on PATH instead.
    """

    folder: Path
    subject: str
    main: str
    on_path: bool = True

    @cached_property
    def version(self) -> str:
        """Version of the main module, without its `v`."""
        return self._version(self.main)

    @property
    def label(self) -> str:
        """The version for messages: a commit's version is its date."""
        commit = re.search(r"-(\d{4})(\d\d)(\d\d)\d{6}-[0-9a-f]{12}$", self.version)
        return "-".join(commit.groups()) if commit else self.version

    @cached_property
    def go(self) -> str:
        """The oldest Go version that builds the modules."""
        return self._pinned(r"^go (\S+)")

    def digest(self, *more: bytes) -> str:
        """Eight hexadecimal digits of the hash of go.sum and more content."""
        content = ((self.folder / "go.sum").read_bytes(), *more)
        return hashlib.sha256(b"".join(content)).hexdigest()[:8]

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
        """Build the programs of some packages.

        Args:
            packages: Their import paths.
            ldflags: Flags for the linker.
            output: The program's file, or a folder for several programs.
            report: Receives the progress.

        Raises:
            Failed: Go is missing, too old or failed; the problem holds the end of its output.
            OSError: The output cannot be written.
        """
        what = f"{self.subject} {self.label}"
        variables = self._environment(output.parent)
        flags = ["-mod=readonly", "-trimpath", f"-ldflags=-s -w {ldflags}"]
        fetched = todo = compiled = 0
        reported = -1

        def fetch(line: str) -> None:
            nonlocal fetched, todo
            fetched += line.startswith("go: downloading")
            todo += line == "true"
            if line.startswith("go: downloading"):
                report(f"fetching the sources of {what}: {fetched} modules", None)

        def compile_(line: str) -> None:
            nonlocal compiled, reported
            compiled += not line.startswith(("go: ", "#"))
            share = min(compiled / max(todo, 1), 1.0) * SHARE_OF_COMPILING
            if int(share * 100) > reported:
                reported = int(share * 100)
                report(f"building {what}: {min(compiled, todo)} of {todo} packages", share)

        report(f"building {what} from source: some minutes, once for each user", 0.0)
        # A stale package is not in Go's build cache yet: a build that was killed continues where it stopped.
        self._go(["list", *flags, "-deps", "-f", "{{.Stale}}", *packages], variables, fetch)
        self._go(["build", *flags, "-v", "-o", str(output), *packages], variables, compile_)

    def source(self, module: str) -> Path:
        """The folder in which Go keeps the sources of one of the modules.

        Raises:
            Failed: Go is missing, too old or failed.
        """
        found = deque[str](maxlen=1)
        self._go(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module], self._environment(None), found.append)
        return Path(found[0])

    def download(self, modules: Sequence[str]) -> dict[str, Path]:
        """Fetch the sources of some of the modules, without the modules that those require.

        Go checks them against go.sum.

        Returns:
            Module to the folder in which Go keeps its sources.

        Raises:
            Failed: Go is missing, too old or failed.
        """
        wanted = [f"{module}@v{self._version(module)}" for module in modules]
        lines: list[str] = []
        self._go(["mod", "download", "-json", *wanted], self._environment(None), lines.append)
        objects = re.findall(r"^\{$.*?^\}$", "\n".join(lines), re.MULTILINE | re.DOTALL)
        return {found["Path"]: Path(found["Dir"]) for found in map(json.loads, objects)}

    def _environment(self, folder: Path | None) -> dict[str, str]:
        if not shutil.which("go"):
            remedy = f"install Go {self.go} or newer and put it on PATH{self._instead}"
            raise Failed(Problem("build", "`go` is not on PATH", remedy))
        # GOTOOLCHAIN=auto would let Go download another toolchain of hundreds of megabytes: the person has to set it.
        variables = {"GOTOOLCHAIN": "local", **os.environ, "GOWORK": "off", **go_cache.variables()}
        # Not in the folder of go.mod, where a Go that is too old prints an error instead of its version.
        printed = subprocess.run(["go", "version"], cwd=folder, env=variables, capture_output=True, text=True).stdout
        version = re.search(r"go(\d+(?:\.\d+)+)", printed)
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
        return "see Go's output above"
