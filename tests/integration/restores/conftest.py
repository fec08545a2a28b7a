"""Buckets and a volume with copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.server import Running
from tests.support.copied import Copied, copied
from tests.support.sets import PRIMARY, Regions, bucket


@pytest.fixture
def place(aws: Running, control: Callable[..., Any]) -> Copied:
    made = copied(Regions(aws), control)
    for number in range(5):
        made.regions.s3[PRIMARY].put_object(
            Bucket=bucket(PRIMARY, "models"), Key=f"set/{number}", Body=f"weights {number}"
        )
    made.regions.settle()
    made.back_up()
    return made
