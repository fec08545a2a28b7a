"""An emulated AWS that `dr` finds by its environment, as it finds a sandbox or AWS itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dr import clients
from sandbox.aws.emulator import Running, running


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with running() as started:
        monkeypatch.setenv("AWS_ENDPOINT_URL", started.endpoint)
        clients.client.cache_clear()
        yield started
