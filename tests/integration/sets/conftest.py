"""Both regions' buckets."""

from __future__ import annotations

import pytest

from sandbox.server import Running
from tests.support.sets import Regions


@pytest.fixture
def regions(aws: Running) -> Regions:
    return Regions(aws)
