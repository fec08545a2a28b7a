from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme

from dr.operations import https


@pytest.fixture(autouse=True)
def alone() -> None:
    https._opener.cache_clear()


def test_certificates_are_read_once_for_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ssl.SSLContext] = []
    real = ssl.create_default_context

    def create_context(*arguments: Any, **named: Any) -> ssl.SSLContext:
        read.append(real(*arguments, **named))
        return read[-1]

    monkeypatch.setattr(ssl, "create_default_context", create_context)
    openers = {https.opener() for _ in range(8)}

    assert (len(openers), len(read)) == (1, 1)
    assert (read[0].check_hostname, read[0].verify_mode) == (True, ssl.CERT_REQUIRED)


def test_each_environment_has_its_own_certificates_and_proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = https.opener()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    proxied = https.opener()
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv(https.CERTIFICATES, str(tmp_path / "authority.pem"))
    other = https.opener()

    assert len({before, proxied, other}) == 3
    handlers: list[Any] = list(other.handlers)  # type: ignore[attr-defined]
    (handler,) = [each for each in handlers if isinstance(each, urllib.request.HTTPSHandler)]
    assert len(vars(handler)["_context"].get_ca_certs()) == 1
