"""Results of earlier reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from dr.findings import Finding, Status
from dr.operations.last_known import LastKnown, load, path_of, save

ACCOUNT, AT = "123456789012", "2026-11-28T12:00:00+00:00"
KNOWN = LastKnown().updated(ACCOUNT, [Finding("data", Status.MET, "12 s behind")], AT, complete=True)


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    save(tmp_path / "folder" / "file.json", KNOWN)

    assert load(tmp_path / "folder" / "file.json") == KNOWN
    assert KNOWN.findings["data"].at == AT


@pytest.mark.parametrize("status", [Status.UNKNOWN, Status.STALE])
def test_result_that_was_not_measured_keeps_the_earlier_one(status: Status) -> None:
    later = KNOWN.updated(
        ACCOUNT, [Finding("data", status, "not measured")], "2026-11-28T13:00:00+00:00", complete=True
    )

    assert later == KNOWN


def test_result_of_another_account_is_dropped() -> None:
    other = KNOWN.updated("210987654321", [Finding("copies", Status.MET, "1 h old")], AT, complete=False)

    assert set(other.findings) == {"copies"}


@pytest.mark.parametrize(("complete", "names"), [(True, {"copies"}), (False, {"copies", "data"})])
def test_result_that_a_complete_report_lacks_is_dropped(complete: bool, names: set[str]) -> None:
    later = KNOWN.updated(ACCOUNT, [Finding("copies", Status.MET, "1 h old")], AT, complete)

    assert set(later.findings) == names


@pytest.mark.parametrize("text", ["", "{}", '{"account": "1", "findings": [{"name": "data", "status": "fine"}]}'])
def test_file_that_cannot_be_read_holds_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "file.json").write_text(text)

    assert load(tmp_path / "file.json") == LastKnown()


def test_folder_that_cannot_be_written_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    save(tmp_path / "file" / "status.json", KNOWN)

    assert load(tmp_path / "file" / "status.json") == LastKnown()


def test_sandbox_and_aws_have_different_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = path_of(tmp_path, "dr", "us-east-1", "us-west-2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")

    assert path_of(tmp_path, "dr", "us-east-1", "us-west-2") != real
