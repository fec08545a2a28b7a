"""The first command on a new machine. Nothing is installed: fake uv and Python commands record their calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "cat", "chmod", "cmp", "cp", "dirname", "ln", "make", "mkdir", "mv", "sleep")

FAKE_UV = f"""\
#!/bin/sh
echo "$@" >> "$UV_CALLS"
echo "index=$UV_DEFAULT_INDEX" >> "$UV_CALLS"
sleep 0.2
case "$1" in
    venv) while [ "$1" != --clear ]; do shift; done; mkdir -p "$4/bin"; ln -sf '{sys.executable}' "$4/bin/python" ;;
    pip) exit "${{UV_FAILS:-0}}" ;;
esac
"""


class Checkout:
    """The files that the bootstrap needs, in a folder with a space in its name, and a PATH for the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a check out"
        self.path = folder / "path"
        self.calls = folder / "uv calls"
        (self.folder / "sandbox").mkdir(parents=True)
        self.path.mkdir()
        for name in ("Makefile", "sandbox/bootstrap.sh"):
            shutil.copyfile(ROOT / name, self.folder / name)
        (self.folder / "requirements.txt").write_text("boto3==1.0\n")
        for name in TOOLS:
            found = shutil.which(name)
            assert found, f"these tests need {name}"
            (self.path / name).symlink_to(found)
        self.command("uv", FAKE_UV)
        self.command("python3", f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")

    def command(self, name: str, script: str) -> None:
        (self.path / name).write_text(script)
        (self.path / name).chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        environment = {"PATH": str(self.path), "HOME": os.environ["HOME"], "UV_CALLS": str(self.calls), **variables}
        return subprocess.Popen(
            ["make", *arguments],  # make runs in the checkout, because its path has a space
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def uv_calls(self) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [line.split(" --")[0] for line in lines if not line.startswith("index=")]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_install_syncs_the_locked_requirements_with_hashes(checkout: Checkout) -> None:
    done = checkout.run("install")

    assert done.returncode == 0, done.stderr
    assert checkout.uv_calls() == ["venv", "pip sync"]
    assert "--require-hashes requirements.txt" in checkout.calls.read_text()
    assert (checkout.folder / ".local/venv/installed.lock").read_text() == "boto3==1.0\n"


def test_dr_command_works_from_any_folder(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run("install")
    (checkout.folder / "dr").mkdir()
    (checkout.folder / "dr" / "__main__.py").write_text("import sys\nprint(*sys.argv[1:])\n")
    command = [str(checkout.folder / ".local/venv/bin/dr"), "check", "a b"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout == "check a b\n"


def test_second_install_starts_neither_uv_nor_python(checkout: Checkout) -> None:
    checkout.run("install")
    checkout.command("python3", "#!/bin/sh\nexit 1\n")

    assert checkout.run("install").returncode == 0
    assert len(checkout.uv_calls()) == 2


def test_changed_requirements_are_synced_into_the_existing_environment(checkout: Checkout) -> None:
    checkout.run("install")
    (checkout.folder / "requirements.txt").write_text("boto3==1.1\n")
    checkout.run("install")

    assert checkout.uv_calls() == ["venv", "pip sync", "pip sync"]


def test_environment_without_its_python_is_recreated(checkout: Checkout) -> None:
    checkout.run("install")
    (checkout.folder / ".local/venv/bin/python").unlink()
    checkout.run("install")

    assert checkout.uv_calls() == ["venv", "pip sync"] * 2


def test_failed_installation_is_repeated_by_the_next_install(checkout: Checkout) -> None:
    assert checkout.run("install", UV_FAILS="1").returncode != 0
    assert checkout.run("install").returncode == 0
    assert checkout.uv_calls() == ["venv", "pip sync", "pip sync"]


def test_concurrent_installs_in_one_checkout_sync_once(checkout: Checkout) -> None:
    both = [checkout.start("install"), checkout.start("install")]

    assert [process.communicate(timeout=60) and process.returncode for process in both] == [0, 0]
    assert checkout.uv_calls() == ["venv", "pip sync"]


def test_package_index_of_pip_is_used_by_uv(checkout: Checkout) -> None:
    checkout.run("install", PIP_INDEX_URL="https://mirror.example/simple a b")

    assert "index=https://mirror.example/simple a b" in checkout.calls.read_text()


def test_package_index_of_uv_overrides_that_of_pip(checkout: Checkout) -> None:
    checkout.run("install", PIP_INDEX_URL="https://mirror.example", UV_DEFAULT_INDEX="https://mine.example")

    assert "index=https://mine.example" in checkout.calls.read_text()
    assert "https://mirror.example" not in checkout.calls.read_text()


def test_old_python_is_reported_with_its_version(checkout: Checkout) -> None:
    checkout.command("python3", "#!/bin/sh\necho 3.9.6\n")
    done = checkout.run("install")

    assert done.returncode != 0
    assert "needs Python 3.11 or newer, and PATH has none: python3 is 3.9.6;" in done.stderr
    assert "make up PYTHON=" in done.stderr
    assert not (checkout.folder / ".local").exists()


def test_missing_python_is_reported(checkout: Checkout) -> None:
    (checkout.path / "python3").unlink()

    assert "no python at all" in checkout.run("install").stderr


def test_newer_versioned_python_is_used_if_python3_is_too_old(checkout: Checkout) -> None:
    (checkout.path / "python3").rename(checkout.path / "python3.12")
    checkout.command("python3", "#!/bin/sh\necho 3.9.6\n")

    assert checkout.run("install").returncode == 0


@pytest.mark.parametrize(
    ("versions", "named", "chosen"),
    [
        ({"python3": "3.14.1", "python3.12": "3.12.9"}, None, "python3.12"),
        ({"python3": "3.14.1"}, None, "python3"),
        ({"python3": "3.14.1", "python3.12": "3.12.9"}, "python3", "python3"),
        ({"python3": "3.11.7", "python3.12": "3.12.9"}, None, "python3"),
    ],
)
def test_python_supported_by_the_inference_server_is_preferred_unless_one_is_named(
    checkout: Checkout, versions: dict[str, str], named: str | None, chosen: str
) -> None:
    for name, version in versions.items():
        says = f'case "$2" in *version_info*) echo {version}; exit;; esac'
        checkout.command(
            name, f'#!/bin/sh\n{says}\necho {name} >> "$UV_CALLS.python"\nexec \'{sys.executable}\' "$@"\n'
        )
    done = checkout.run("install", **({"PYTHON": named} if named else {}))

    assert done.returncode == 0, done.stderr
    assert set(Path(f"{checkout.calls}.python").read_text().split()) == {chosen}


def test_make_down_without_an_installation_installs_nothing(checkout: Checkout) -> None:
    done = checkout.run("down")

    assert (done.returncode, done.stdout) == (0, "Nothing runs: nothing is installed.\n")
    assert not (checkout.folder / ".local").exists()


def test_make_lint_works_in_a_folder_with_a_space(checkout: Checkout) -> None:
    checkout.run("install")
    workflows = checkout.folder / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "ci.yml").touch()
    calls = checkout.folder / "calls"
    checkout.command("go", f"#!/bin/sh\nfor each; do echo \"$each\" >> '{calls}'; done\n")
    (checkout.folder / ".local/venv/bin/python").unlink()
    (checkout.folder / ".local/venv/bin/python").write_text(f"#!/bin/sh\necho \"$@\" >> '{calls}'\n")
    (checkout.folder / ".local/venv/bin/python").chmod(0o755)
    done = checkout.run("lint")

    assert done.returncode == 0, done.stderr
    assert calls.read_text().splitlines()[:3] == ["-m ruff check", "-m ruff format --check", "-m mypy"]
    assert str(workflows / "ci.yml") in calls.read_text().splitlines()
