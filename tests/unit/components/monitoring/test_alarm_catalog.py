"""Every alarm that the program deploys has an entry in the catalogue, and every entry a test of its cause."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from components.monitoring.alarm_catalog import CatalogEntry, catalog, entry_of
from dr.topology.topology import Role
from tests.support.mocks import Cloud
from tests.support.program import first_deployment

TESTS = Path(__file__).parents[3]
AUTOMATED = {"automation": "automatic", "runner": "true", "runnerImage": "registry.example.com/runner:1"}
REGIONS = {"us-east-1": Role.PRIMARY, "us-west-2": Role.RECOVERY}


def alarms(cloud: Cloud) -> set[tuple[str, Role]]:
    """Return the name, without prefix, and the region of each alarm, but not of those that only remove instances."""
    made = [*cloud.of("MetricAlarm").values(), *cloud.of("CompositeAlarm").values()]
    names = [(str(each.inputs.get("alarmName", each.inputs.get("name"))), each.inputs["region"]) for each in made]
    return {
        (name.removeprefix("ml-dr-"), REGIONS[region]) for name, region in names if not name.startswith("scale-in-")
    }


@pytest.fixture
def deployed() -> set[tuple[str, Role]]:
    """Return the alarms of both stacks, with all that can be deployed."""
    fleets = {
        "workers": json.dumps(
            [{"name": "batch", "image": "ami-0123456789abcdef0", "instanceTypes": ["m6i.large", "m5.large"]}]
        )
    }
    primary, recovery = first_deployment("primary", **fleets), first_deployment("dr", tier="warm", **AUTOMATED)
    # Both stacks make the alarms of fleets by one function; the recovery stack needs a copy of the image first.
    of_fleets = {(name, Role.RECOVERY) for name, _ in alarms(primary) if name.startswith("workers-")}
    assert of_fleets
    return alarms(primary) | alarms(recovery) | of_fleets


def test_every_deployed_alarm_is_in_the_catalogue_for_its_region(deployed: set[tuple[str, Role]]) -> None:
    unlisted = {name for name, role in deployed if (entry := entry_of(name)) is None or role not in entry.roles}

    assert unlisted == set(), "add an entry to components/monitoring/alarm_catalog.py, with the test of its cause"


def test_every_entry_of_the_catalogue_is_deployed_in_its_regions(deployed: set[tuple[str, Role]]) -> None:
    missing = {
        (entry.name, role)
        for entry in catalog()
        for role in entry.roles
        if not any(entry.is_of(name) and role is at for name, at in deployed)
    }

    assert missing == set()


def test_every_entry_has_a_test_of_its_cause() -> None:
    sources = (path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    defined = {name for source in sources for name in re.findall(r"^def (test_\w+)\(", source, re.MULTILINE)}

    assert {entry.name for entry in catalog() if entry.test not in defined} == set()


def test_name_of_an_entry_stands_for_each_pair_and_zone() -> None:
    entry = CatalogEntry("<pair>-replication-late", (Role.PRIMARY,), "", "", "")

    assert entry.is_of("models-replication-late")
    assert not entry.is_of("models-replication-late-2")
