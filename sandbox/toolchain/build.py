"""Builds the engine with Go, from exactly the modules that go.mod and go.sum name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dr.errors import Failed, Problem

MODULES = Path(__file__).parent
ENGINE = "github.com/pulumi/pulumi/pkg/v3"
SDK = "github.com/pulumi/pulumi/sdk/v3"
RUNNER = "pulumi-language-python-exec"
"""The SDK's program that runs a Pulumi program; it comes inside the SDK's Go module."""
SHARE_OF_COMPILING = 0.95
"""The rest of a build is the linker's, which does not say how far it is."""

Report = Callable[[str, float | None], None]
"""Called with what is being done, and how much of it is (0 to 1; None: not known)."""


@dataclass(frozen=True)
class Pins:
    """What go.mod asks for: the version of the engine, and the oldest Go that builds it."""

    pulumi: str
    go: str


@cache
def pins() -> Pins:
    """Reads go.mod, the one place that names versions."""
    text = (MODULES / "go.mod").read_text(encoding="utf-8")
    engine = re.search(rf"^\s*{re.escape(ENGINE)} v(\S+)", text, re.MULTILINE)
    go = re.search(r"^go (\S+)", text, re.MULTILINE)
    if not engine or not go:
        raise Failed(Problem(str(MODULES / "go.mod"), "names no engine or no Go version", "restore the file from git"))
    return Pins(engine[1], go[1])


def numbers(version: str) -> tuple[int, ...]:
    """`3.258.0` as numbers that can be compared."""
    return tuple(int(number) for number in version.split("."))


def build(folder: Path, report: Report) -> None:
    """Makes `bin/pulumi` and `bin/pulumi-language-python-exec` in a folder.

    Raises:
        Failed: Go is missing, too old, or did not succeed; its last words are in the problem.
        OSError: The folder cannot be written.
    """
    what = f"pulumi {pins().pulumi}"
    variables = _go_environment(folder)
    flags = ["-mod=readonly", "-trimpath", f"-ldflags=-s -w -X {SDK}/go/common/version.Version=v{pins().pulumi}"]
    package = f"{ENGINE}/cmd/pulumi"
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

    report(f"building {what} from source: some minutes, once for each user", None)
    # Stale: not yet in Go's own build cache, so a build that was killed goes on where it was.
    _go(["list", *flags, "-deps", "-f", "{{.Stale}}", package], variables, fetch)
    _go(["build", *flags, "-v", "-o", str(folder / "bin" / "pulumi"), package], variables, compile_)
    source = deque[str](maxlen=1)
    _go(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK], variables, source.append)
    shutil.copyfile(Path(source[0]) / "python" / "cmd" / RUNNER, folder / "bin" / RUNNER)
    (folder / "bin" / RUNNER).chmod(0o755)


def _go_environment(folder: Path) -> dict[str, str]:
    if not shutil.which("go"):
        remedy = f"install Go {pins().go} or newer and put it on PATH, or install pulumi on PATH"
        raise Failed(Problem("build", "there is no `go` on PATH", remedy))
    # A toolchain that Go fetches by itself is another big download: only if the person says so.
    variables = {"GOTOOLCHAIN": "local", **os.environ, "GOWORK": "off"}
    # Not in the folder of go.mod, where a Go that is too old refuses to say what it is.
    said = subprocess.run(["go", "version"], cwd=folder, env=variables, capture_output=True, text=True).stdout
    version = re.search(r"go(\d+(?:\.\d+)+)", said)
    if version and numbers(version[1]) < numbers(pins().go) and variables["GOTOOLCHAIN"] == "local":
        remedy = f"install Go {pins().go} or newer, or set GOTOOLCHAIN=auto to let Go fetch it"
        raise Failed(Problem("build", f"Go is {version[1]}; the engine needs {pins().go}", remedy))
    return variables


def _go(arguments: list[str], variables: dict[str, str], each_line: Callable[[str], None]) -> None:
    tail = deque[str](maxlen=8)
    with subprocess.Popen(
        ["go", *arguments],
        cwd=MODULES,
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
        remedy = "see Go's own words above"
        if "no space left" in last.lower() or "read-only file system" in last.lower():
            remedy = (
                "make room, or set DR_TOOLCHAIN_CACHE (the result) and GOCACHE, GOMODCACHE (Go's own) to other folders"
            )
        elif any(sign in last for sign in ("dial tcp", "no such host", "i/o timeout", "connection refused")):
            remedy = "go online or set GOPROXY to a mirror that you can reach, or install pulumi on PATH"
        raise Failed(Problem("build", f"`go {arguments[0]}` ended with {process.returncode}:\n    {last}", remedy))
