"""Settings of the logically air-gapped vault, read from a stack's configuration."""

import json

import pytest

from dr.config import reader
from dr.errors import Invalid
from dr.topology.backups import DataClass
from tests.support.builders import ACCOUNT, settings

ON = {"airGappedVault": "recovery"}


def test_a_deployment_has_no_air_gapped_vault_by_default() -> None:
    assert reader.read(settings()).topology(ACCOUNT).air_gap is None
    # Without a vault, its other settings have no effect.
    assert reader.read(settings(airGappedMinDays="1", airGappedClasses='["databases"]')).air_gap is None


def test_a_vault_takes_every_class_that_it_can_hold_and_is_in_the_recovery_region() -> None:
    made = reader.read(settings(**ON)).topology(ACCOUNT)

    assert made.air_gap
    assert made.air_gap.classes == (DataClass.OBJECTS, DataClass.VOLUMES, DataClass.FILES)
    assert (made.air_gap.min_days, made.air_gap.max_days) == (7, 365)
    assert made.air_gapped_vault_arn == f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:ml-dr-air-gapped"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"airGappedVault": "both"}, "dr:airGappedVault"),
        ({"airGappedClasses": '["tapes"]'}, "dr:airGappedClasses"),
        ({"airGappedClasses": '["databases"]'}, "names databases: AWS Backup does not copy each of its types"),
        ({"airGappedMinDays": "6"}, "is 6: AWS Backup accepts 7 days or more"),
        ({"airGappedMinDays": "30", "airGappedMaxDays": "20"}, "is 20, below dr:airGappedMinDays 30"),
        ({"airGappedMinDays": "36"}, "dr:backups.objects.retentionDays: is 35"),
        ({"airGappedMaxDays": "34"}, "accepts 7 to 34 days"),
        (
            {"recoveryRegion": "ca-west-1", "recoveryZones": '["ca-west-1a", "ca-west-1b"]'},
            "ca-west-1 has no logically air-gapped vaults",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused_with_the_fix(changes: dict[str, str], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        reader.read(settings(**{**ON, **changes}))

    assert message in str(caught.value)


def test_retention_of_a_class_that_is_not_copied_does_not_matter() -> None:
    short = json.dumps([{"data": "files", "retentionDays": 400}])
    with pytest.raises(Invalid, match=r"dr:backups\.files\.retentionDays"):
        reader.read(settings(**ON, backups=short))

    made = reader.read(settings(**ON, backups=short, airGappedClasses='["objects"]')).air_gap
    assert made
    assert made.classes == (DataClass.OBJECTS,)
