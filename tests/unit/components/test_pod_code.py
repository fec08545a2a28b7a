from __future__ import annotations

import re
from pathlib import Path

import pytest

from components import code_files, pod_code
from components.code_files import files_of

ENTRIES = ("copy_registry", "fetch_models", "process_shard")


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_config_map_contains_an_entry_and_only_its_imports(entry: str) -> None:
    code = pod_code.pod_code(entry)

    assert {"dr/__init__.py", "dr/pods/__init__.py", "dr/pods/run.py", f"dr/pods/{entry}.py"} <= set(
        code.items.values()
    )
    assert "dr/config/reader.py" not in code.items.values()
    assert code.data.keys() == code.items.keys()
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", key) for key in code.data)


def test_late_imports_and_submodules_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {
        "dr/__init__.py": "",
        "dr/one.py": "from dr import two\nimport json\ndef f():\n    import dr.deep.three\n",
        "dr/two.py": "from dr.one import f\nfrom dr import NAME\n",
        "dr/deep/__init__.py": "",
        "dr/deep/three.py": "import boto3\nfrom components import four\n",
        "dr/unused.py": "",
    }
    for path, text in sources.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(code_files, "FOLDER", tmp_path)

    assert list(files_of("dr.one")) == [
        "dr/__init__.py",
        "dr/deep/__init__.py",
        "dr/deep/three.py",
        "dr/one.py",
        "dr/two.py",
    ]


def test_an_entry_that_does_not_exist_is_refused() -> None:
    with pytest.raises(FileNotFoundError, match=r"module dr\.pods\.fetch_modles does not exist"):
        pod_code.pod_code("fetch_modles")


def test_code_above_the_size_limit_of_a_config_map_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_code, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="a ConfigMap holds 1000"):
        pod_code.pod_code("fetch_models")


def test_the_digest_changes_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = pod_code.pod_code("fetch_models").digest
    files = {**files_of("dr.pods.fetch_models"), "dr/errors.py": "changed"}
    monkeypatch.setattr(pod_code, "files_of", lambda module: files)

    assert pod_code.pod_code("fetch_models").digest != before
