"""The container that proves the isolation of its pod."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dr.pods import isolated

OWN, OTHER = "s3.us-west-2.amazonaws.com", "s3.us-east-1.amazonaws.com"


@pytest.fixture(autouse=True)
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REACHED", OWN)
    monkeypatch.setenv("UNREACHED", f"{OTHER} iam.amazonaws.com")
    monkeypatch.setenv("TERMINATION_LOG", str(tmp_path / "log"))
    monkeypatch.setattr(isolated, "ROUND_SECONDS", 0.0)
    monkeypatch.setattr(isolated, "LIMIT_SECONDS", 0.0)
    return tmp_path / "log"


def looks(monkeypatch: pytest.MonkeyPatch, rounds: Iterable[set[str]]) -> None:
    """Let each round of looks reach a set of hosts; the last one stays."""
    left = list(rounds)
    looked: set[str] = set()

    def reached(host: str) -> bool:
        if host in looked and len(left) > 1:
            left.pop(0)
            looked.clear()
        looked.add(host)
        return host in left[0]

    monkeypatch.setattr(isolated, "reached", reached)


def test_pod_that_reaches_its_own_region_alone_is_isolated(monkeypatch: pytest.MonkeyPatch, container: Path) -> None:
    monkeypatch.setattr(isolated, "LIMIT_SECONDS", 60.0)
    looks(monkeypatch, [{OWN}])
    isolated.main()

    assert json.loads(container.read_text()) == {"own": OWN, "unreached": [OTHER, "iam.amazonaws.com"]}


def test_policies_that_apply_after_some_rounds_are_waited_for(monkeypatch: pytest.MonkeyPatch, container: Path) -> None:
    monkeypatch.setattr(isolated, "LIMIT_SECONDS", 60.0)
    looks(monkeypatch, [{OWN, OTHER}, {OWN}, {OWN}])
    isolated.main()

    assert container.exists()


def test_reached_host_of_the_other_region_ends_it_with_its_name(
    monkeypatch: pytest.MonkeyPatch, container: Path
) -> None:
    looks(monkeypatch, [{OWN, OTHER}])
    with pytest.raises(SystemExit, match=f"reached {OTHER}"):
        isolated.main()

    assert not container.exists()


def test_pod_without_any_connection_is_not_called_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, [set()])
    with pytest.raises(SystemExit, match=f"{OWN} is not reached"):
        isolated.main()


class Opener:
    """An opener of which every call ends with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def open(self, url: str, timeout: float) -> object:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (urllib.error.HTTPError(OWN, 403, "Forbidden", None, None), True),  # type: ignore[arg-type]
        (urllib.error.URLError("timed out"), False),
        (TimeoutError(), False),
    ],
)
def test_any_answer_means_that_a_host_is_reached(
    error: Exception, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: Opener(error))

    assert isolated.reached(OWN) is expected


class Redirecting(BaseHTTPRequestHandler):
    """Answers as S3 answers a request without a bucket: a redirect to a host that an isolated pod does not reach."""

    def do_GET(self) -> None:
        self.send_response(307)
        self.send_header("Location", "http://unreached.invalid/")
        self.end_headers()


def test_redirect_is_an_answer_and_not_followed() -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), isolated.Unfollowed)
    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(urllib.error.HTTPError, match="307"):
            opener.open(f"http://127.0.0.1:{server.server_port}/", timeout=10)
        thread.join()
