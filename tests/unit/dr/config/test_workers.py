"""Settings of worker fleets: one valid example, and each test breaks one field."""

import json
from typing import Any

import pytest

from dr.config import reader
from dr.config.workers import WorkerSettings, worker_problems
from dr.errors import Invalid
from dr.topology.workers import Fleet
from tests.support.builders import settings

ENTRY = {"name": "batch", "image": "ami-0123456789abcdef0", "instanceTypes": ["m6i.large", "m5.large"]}


def entry(**changes: Any) -> WorkerSettings:
    return WorkerSettings.model_validate({**ENTRY, **changes})


def facts(*entries: WorkerSettings) -> list[str]:
    return [f"{each.subject}: {each.fact}" for each in worker_problems(entries)]


def test_entry_describes_a_fleet_with_defaults() -> None:
    assert entry().fleet == Fleet("batch", "ami-0123456789abcdef0", ("m6i.large", "m5.large"))
    assert facts(entry()) == []


def test_two_fleets_need_two_names() -> None:
    assert facts(entry(), entry()) == ['dr:workers: two entries have the name "batch"']


def test_largest_size_below_the_size_is_refused() -> None:
    assert facts(entry(size=4, maxSize=3)) == [
        "dr:workers.batch.maxSize: is 3, and size is 4: an Auto Scaling group has at least its minimum"
    ]


@pytest.mark.parametrize("arm", ["m7g.large", "t4g.small", "im4gn.large", "a1.large", "x2gd.large"])
def test_types_of_two_architectures_are_refused(arm: str) -> None:
    (fact,) = facts(entry(instanceTypes=["m6i.large", arm]))

    assert f"({arm}: arm64)" in fact


@pytest.mark.parametrize("x86", ["g5.2xlarge", "m7i.large", "p4d.24xlarge", "trn1.2xlarge", "u-6tb1.metal"])
def test_types_of_one_architecture_are_accepted(x86: str) -> None:
    assert facts(entry(instanceTypes=["m6i.large", x86])) == []


def test_spot_instances_of_one_type_are_refused_and_on_demand_ones_are_not() -> None:
    (fact,) = facts(entry(instanceTypes=["m6i.large"]))

    assert "has one type, m6i.large, and Spot instances" in fact
    assert facts(entry(instanceTypes=["m6i.large"], onDemand=6)) == []


def test_all_problems_of_all_entries_are_reported_at_once() -> None:
    broken = [
        {**ENTRY, "image": "my-image"},
        {**ENTRY, "name": "Batch!"},
        {**ENTRY, "instanceTypes": ["large"], "sise": 3},
        {**ENTRY, "instanceTypes": []},
        {**ENTRY, "rootDevice": "xvda"},
    ]
    with pytest.raises(Invalid) as caught:
        reader.read(settings(workers=json.dumps(broken)))

    subjects = [problem.subject for problem in caught.value.problems]
    assert subjects == [
        *("dr:workers[0].image", "dr:workers[1].name", "dr:workers[2].instanceTypes[0]", "dr:workers[2].sise"),
        *("dr:workers[3].instanceTypes", "dr:workers[4].rootDevice"),
    ]
    (unknown,) = (each for each in caught.value.problems if each.subject.endswith("sise"))
    assert 'did you mean "size"' in unknown.remedy.lower()
