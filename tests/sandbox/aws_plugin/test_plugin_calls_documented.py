"""The list of the real AWS plugin's calls: complete, and counted in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.session import get_session

from sandbox.aws_plugin.catalog import CATALOG
from tests.support.plugin_calls import PHASES, Calls, calls, distinct, gaps

DOCUMENT = Path(__file__).parents[3] / "docs" / "sandbox.md"


def test_plugin_call_list_has_every_supported_type() -> None:
    assert set(calls()) == {"provider", *CATALOG}


@pytest.mark.parametrize("name", calls())
def test_resource_type_has_read_and_create_operations_with_their_source_files(name: str) -> None:
    found: Calls = calls()[name]

    assert found.phases["read"] or name == "aws:lambda/invocation:Invocation"  # AWS keeps nothing of an invocation
    assert name == "provider" or found.phases["create"]
    assert found.unread <= found.operations
    assert set(found.files) == found.operations
    assert all(file.startswith("internal/") and "@" in file for file in found.files.values())
    assert set(found.phases) == set(PHASES)


def test_listed_operations_exist() -> None:
    session = get_session()
    for name in distinct():
        service, operation = name.split(":")
        assert operation in session.get_service_model(service).operation_names, name


def test_document_states_how_many_operations_were_listed_and_read() -> None:
    text = " ".join(DOCUMENT.read_text().split())

    assert f"{len(distinct())} operations for {len(CATALOG)} types" in text
    assert f"The calls of {len(distinct(unread=True))} operations were not read" in text
    assert f"answers all but {len(gaps())}" in text
    for name in gaps():
        assert f"`{name}`" in text
