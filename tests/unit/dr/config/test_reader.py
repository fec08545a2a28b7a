import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, generate_key

from dr.config import reader
from dr.errors import Invalid
from dr.names import CONTROL
from dr.topology.serving import Authentication, AuthenticationMode, Serving
from dr.topology.tiers import Nat, Tier
from dr.topology.topology import DnsFailover, LockMode, Role
from tests.support.builders import ACCOUNT, settings, topology


def problems_of(values: dict[str, str]) -> str:
    with pytest.raises(Invalid) as caught:
        reader.read(values)
    return str(caught.value)


def test_example_configuration_is_read_as_topology() -> None:
    made = topology()

    assert (made.primary.region, made.recovery.region) == ("us-east-1", "us-west-2")
    assert made.here is made.primary
    assert made.tier is Tier.PILOT
    assert made.bucket("datasets", Role.RECOVERY) == f"ml-dr-{ACCOUNT}-us-west-2-datasets"
    assert [pair.name for pair in made.pairs] == ["datasets", "models", "registry", "control", "velero"]
    assert made.protect_data


def test_api_access_has_to_be_chosen_and_both_choices_are_explained() -> None:
    text = problems_of(settings(apiAccess=None, apiCidrs=None))

    assert "dr:apiAccess: is not set" in text
    assert "`pulumi config set dr:apiAccess public`" in text
    assert "`pulumi config set dr:apiAccess private`" in text
    assert problems_of(settings(apiAccess="", apiCidrs=None)) == text


def test_public_api_without_cidrs_is_refused_since_eks_would_admit_everyone() -> None:
    text = problems_of(settings(apiCidrs=None))

    assert "dr:apiCidrs: is empty and dr:apiAccess is public: EKS would admit the whole internet" in text


def test_private_api_with_cidrs_is_refused() -> None:
    assert "203.0.113.0/24 is set, and dr:apiAccess is private" in problems_of(settings(apiAccess="private"))
    assert topology(apiAccess="private", apiCidrs="[]").api_cidrs == ()


@pytest.mark.parametrize("block", ["10.0.0.0/8", "192.168.1.0/24", "100.64.0.7/32", "127.0.0.1/32"])
def test_reserved_addresses_are_refused_for_the_api_as_eks_does(block: str) -> None:
    assert f'"{block}" is in ' in (text := problems_of(settings(apiCidrs=f'["{block}"]')))
    assert "which EKS refuses" in text


@pytest.mark.parametrize(("block", "reserved"), [("10.0.0.0/7", "10.0.0.0/8"), ("192.168.0.0/15", "192.168.0.0/16")])
def test_blocks_that_include_reserved_addresses_are_refused_for_the_api(block: str, reserved: str) -> None:
    text = problems_of(settings(apiCidrs=f'["{block}"]'))

    assert f'"{block}" includes {reserved}, which EKS refuses' in text


def test_the_whole_internet_may_call_the_api() -> None:
    assert topology(apiCidrs='["0.0.0.0/0"]').api_cidrs == ("0.0.0.0/0",)


def test_unknown_tier_is_refused_with_the_nearest_tier() -> None:
    assert 'dr:tier: "wram" is not a valid tier' in (text := problems_of(settings(tier="wram")))
    assert 'did you mean "warm"?' in text


def test_same_region_for_both_roles_is_refused() -> None:
    text = problems_of(settings(recoveryRegion="us-east-1"))

    assert 'dr:recoveryRegion: "us-east-1" is the primary region too' in text


def test_an_unknown_region_is_refused_with_the_nearest() -> None:
    text = problems_of(settings(recoveryRegion="us-wset-2"))

    assert 'dr:recoveryRegion: "us-wset-2" is not a valid AWS region' in text
    assert 'did you mean "us-west-2"?' in text


def test_region_of_another_partition_is_refused_as_unknown() -> None:
    assert '"cn-north-1" is not a valid AWS region' in problems_of(settings(recoveryRegion="cn-north-1"))


def test_a_bucket_name_that_is_too_long_is_refused_with_its_length() -> None:
    text = problems_of(settings(bucketPrefix="a-very-long-name-for-a-platform-of-machine-learning"))

    assert "has 83 characters; S3 allows 63" in text
    assert "by 20" in text


def test_bucket_prefix_with_invalid_characters_is_refused() -> None:
    assert 'dr:bucketPrefix: "ML_DR" cannot be part of a bucket name' in problems_of(settings(bucketPrefix="ML_DR"))


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_role_is_reported_with_the_command_that_sets_it(value: str | None) -> None:
    text = problems_of(settings(role=value, tier="wram"))

    assert "dr:role: is not set" in text
    assert "pulumi config set dr:role <value>" in text
    assert "dr:tier: " in text


def test_every_key_without_a_decision_of_the_user_has_a_default() -> None:
    required = {"dr:role": "primary", "aws:region": "us-east-1", "dr:apiAccess": "public"}
    required |= {"dr:authentication": "none", "dr:clientCidrs": '["203.0.113.0/24"]'}
    required["dr:apiCidrs"] = '["203.0.113.0/24"]'
    required["dr:alertAddresses"] = '["oncall@example.com"]'

    assert reader.read(required).topology(ACCOUNT) == topology()


@pytest.mark.parametrize("value", [None, "[]"])
def test_alarm_subscribers_have_no_default(value: str | None) -> None:
    text = problems_of(settings(alertAddresses=value))

    assert "dr:alertAddresses: is not set: no one would be notified of an alarm" in text
    assert "`pulumi config set --path 'dr:alertAddresses[0]' oncall@example.com`" in text
    assert "`pulumi config set --path 'dr:alertAddresses[0]' none`" in text


def test_no_one_is_notified_only_if_that_is_the_single_entry() -> None:
    assert topology(alertAddresses='["none"]').alert_addresses == ()
    text = problems_of(settings(alertAddresses='["none", "oncall@example.com"]'))
    assert 'dr:alertAddresses: has "none" and oncall@example.com' in text


def test_authentication_has_no_default_and_the_error_explains_the_choice() -> None:
    text = problems_of(settings(authentication=None))

    assert "dr:authentication: is not set" in text
    assert "`pulumi config set dr:authentication jwt` (with dr:jwtIssuer, dr:jwtAudiences and dr:jwtKeys)" in text
    assert "`pulumi config set dr:authentication none` admits every client in dr:clientCidrs" in text


def test_the_internet_is_admitted_without_tokens_only_where_it_is_said_explicitly() -> None:
    text = problems_of(settings(clientCidrs=None))

    assert "dr:clientCidrs: is not set, and dr:authentication is none: everybody on the internet could call" in text
    assert topology(clientCidrs='["0.0.0.0/0"]').client_cidrs == ("0.0.0.0/0",)


TOKENS = {
    "authentication": "jwt",
    "jwtIssuer": "https://login.example.com",
    "jwtAudiences": '["inference"]',
    "jwtKeys": json.dumps({"keys": [ECKey.generate_key("P-256", {"kid": "one"}).as_dict(private=False)]}),
}


def test_clients_with_tokens_may_call_from_everywhere_unless_addresses_are_set() -> None:
    made = topology(clientCidrs=None, **TOKENS)

    assert made.client_cidrs == ("0.0.0.0/0",)
    assert made.serving.authentication == Authentication(
        AuthenticationMode.JWT, "https://login.example.com", ("inference",), TOKENS["jwtKeys"]
    )
    assert topology(**TOKENS).client_cidrs == ("203.0.113.0/24",)


def test_tokens_without_issuer_audience_and_keys_are_refused_with_each_command() -> None:
    text = problems_of(settings(authentication="jwt"))

    for name in ("jwtIssuer", "jwtAudiences", "jwtKeys"):
        assert f"dr:{name}: is not set, and dr:authentication is jwt" in text
    assert "pulumi config set --path 'dr:jwtAudiences[0]' inference" in text


def test_a_token_setting_without_token_authentication_is_refused() -> None:
    text = problems_of(settings(jwtIssuer="https://login.example.com"))

    assert "dr:jwtIssuer: is set, and dr:authentication is none: no token is checked" in text


def key_set(kind: Any, size: Any, private: bool = False) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the short key is made on purpose
        key = generate_key(kind, size, {"kid": "one"}, private=True)
    return json.dumps({"keys": [key.as_dict(private=private)]})


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: "https://login.example.com/jwks.json", "the text is not a JSON Web Key Set"),
        (lambda: "[]", "the text is not a JSON Web Key Set"),
        (lambda: '{"keys": []}', "the text is not a JSON Web Key Set: missing_key: No keys"),
        (lambda: '{"keys": [{"kty": "RSA", "kid": "a"}]}', "the text is not a JSON Web Key Set"),
        (lambda: key_set("EC", "P-256", private=True), "key one contains its private half, with which tokens are"),
        (lambda: key_set("oct", 256), "key one is of type oct, a shared secret"),
        (lambda: key_set("RSA", 1024), "key one has 1024 bits; RFC 7518 requires 2048"),
    ],
)
def test_a_key_set_that_cannot_check_tokens_safely_is_refused(make: Callable[[], str], problem: str) -> None:
    text = problems_of(settings(**{**TOKENS, "jwtKeys": make()}))

    assert f"dr:jwtKeys: {problem}" in text


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    text = problems_of(settings(teir="warm"))

    assert "dr:teir: unknown key" in text
    assert 'did you mean "tier"?' in text


def test_keys_of_other_namespaces_are_ignored() -> None:
    assert reader.read({**settings(), "other:key": "x"})


def test_a_domain_that_is_a_url_is_refused() -> None:
    assert '"https://example.com" is not a valid host name' in problems_of(settings(domain="https://example.com"))


def test_stack_with_another_provider_region_than_configured_is_refused() -> None:
    text = problems_of({**settings(Role.RECOVERY), "aws:region": "us-east-1"})

    assert 'aws:region: "us-east-1" is set, but the recovery stack deploys to "us-west-2"' in text


def test_credentials_in_the_configuration_are_refused() -> None:
    text = problems_of({**settings(), "aws:profile": "me"})

    assert "aws:profile: must not be set" in text
    assert "AWS_PROFILE" in text


def test_health_check_interval_that_route_53_does_not_offer_is_refused() -> None:
    assert "dr:healthCheckInterval: 15 s is not a valid Route 53 interval" in problems_of(
        settings(healthCheckInterval="15")
    )


def test_invalid_boolean_is_refused() -> None:
    assert 'dr:protectData: "perhaps" is not a valid value' in problems_of(settings(protectData="perhaps"))


def test_all_invalid_keys_are_reported_at_once() -> None:
    wrong = settings(tier="wram", nat="two", domain="x y", teir="x", bucketPrefix="p" * 40)
    with pytest.raises(Invalid) as caught:
        reader.read(wrong)

    subjects = [problem.subject for problem in caught.value.problems]
    assert {"dr:tier", "dr:nat", "dr:domain", "dr:teir", "dr:bucketPrefix"} <= set(subjects)
    assert f"{len(subjects)} problems" in str(caught.value)


def buckets(*entries: dict[str, object]) -> dict[str, str]:
    return settings(buckets=json.dumps(entries))


def test_bucket_entry_changes_only_the_named_standard_pair() -> None:
    made = reader.read(buckets({"name": "models", "archiveDays": 90})).topology(ACCOUNT)

    assert made.pair("models").archive_days == 90
    assert made.pair("datasets").archive_days is None
    assert len(made.pairs) == 5


def test_bucket_entry_with_a_new_name_adds_a_bucket_pair() -> None:
    lock = {"mode": "COMPLIANCE", "days": 30}
    made = reader.read(buckets({"name": "audit", "lock": lock, "replicateDeletes": True})).topology(ACCOUNT)

    audit = made.pairs[-1]
    assert (audit.name, audit.replicate_deletes) == ("audit", True)
    assert audit.lock
    assert (audit.lock.mode, audit.lock.days) == (LockMode.COMPLIANCE, 30)


def test_existing_bucket_is_the_source_of_its_pair() -> None:
    made = reader.read(buckets({"name": "datasets", "existing": "our-old-data"})).topology(ACCOUNT)

    assert made.bucket("datasets", Role.PRIMARY) == "our-old-data"
    assert made.bucket("datasets", Role.RECOVERY) == f"ml-dr-{ACCOUNT}-us-west-2-datasets"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "UPPER"}, '"UPPER" cannot be part of a bucket name'),
        ({"name": "x", "nocurrentDays": 3}, 'did you mean "noncurrentDays"?'),
        ({"name": "x", "archiveDays": 0}, "dr:buckets[0].archiveDays"),
        ({"name": "x", "lock": {"mode": "SOME", "days": 1}}, "use GOVERNANCE or COMPLIANCE"),
        (
            {"name": "x", "existing": "b", "lock": {"mode": "COMPLIANCE", "days": 1}},
            "Object Lock is set when a bucket is created",
        ),
        ({"name": "x", "existingKey": "alias/mine"}, "dr:buckets[0].existingKey"),
        ({"name": CONTROL, "existing": "mine"}, '"mine" cannot be the control bucket'),
    ],
)
def test_invalid_bucket_entry_is_reported_with_its_path(entry: dict[str, object], message: str) -> None:
    assert message in problems_of(buckets(entry))


def test_two_bucket_entries_with_one_name_are_refused() -> None:
    assert "two entries have the same name" in problems_of(buckets({"name": "x"}, {"name": "x"}))


def test_manual_failover_existing_hosted_zone_and_unprotected_data_are_read() -> None:
    made = topology(dnsFailover="manual", hostedZone="Z0ABC", protectData="false")

    assert made.dns.failover is DnsFailover.MANUAL
    assert made.dns.zone_id == "Z0ABC"
    assert not made.protect_data


def test_detection_time_is_interval_times_failures_plus_ttl() -> None:
    assert topology().dns.detection_seconds == 90
    assert topology(healthCheckInterval="30").dns.detection_seconds == 150


@pytest.mark.parametrize(
    ("tier", "nat", "endpoints"),
    [("backup", Nat.NONE, False), ("pilot", Nat.ONE, True), ("warm", Nat.ZONE, True), ("active", Nat.ZONE, True)],
)
def test_tier_sets_nat_gateways_and_interface_endpoints_of_the_recovery_region_only(
    tier: str, nat: Nat, endpoints: bool
) -> None:
    recovery = topology(Role.RECOVERY, tier=tier, privateEndpoints="true")
    primary = topology(tier=tier, privateEndpoints="true")

    assert (recovery.nat_here, recovery.private_endpoints_here) == (nat, endpoints)
    assert (primary.nat_here, primary.private_endpoints_here) == (Nat.ZONE, True)


def test_activation_above_the_tier_sets_the_nat_gateways() -> None:
    assert topology(Role.RECOVERY, tier="backup").with_activation(Tier.WARM).nat_here is Nat.ZONE


@pytest.mark.parametrize("nat", list(Nat))
def test_configured_nat_overrides_the_default_of_the_tier(nat: Nat) -> None:
    assert topology(Role.RECOVERY, nat=str(nat)).nat_here is nat
    assert topology(nat=str(nat)).nat_here is nat


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recoveryCidr": "10.0.128.0/17"}, "dr:recoveryCidr: 10.0.128.0/17 overlaps 10.0.0.0/16"),
        ({"primaryCidr": "10.0.0.0/24"}, "dr:primaryCidr: 10.0.0.0/24 is too small: 256 addresses / 8 / 8 leave 4"),
        ({"primaryZones": '["us-east-1a"]'}, "dr:primaryZones: 1 of the 2 zones"),
        ({"primaryZones": '["us-east-1a", "us-west-2a"]'}, 'dr:primaryZones: "us-west-2a" is not in us-east-1'),
        ({"recoveryZones": '["us-west-2a", "us-west-2a"]'}, "dr:recoveryZones: us-west-2a is named twice"),
        ({"recoveryZones": "us-west-2a"}, "dr:recoveryZones"),
        ({"nat": "two"}, 'dr:nat: "two" is not a valid value\n    -> use auto, none, one, zone'),
        ({"existingVpc": "mine"}, 'dr:existingVpc: "mine" is not a valid value'),
        ({"existingVpc": "vpc-0a1b2c3d", "nat": "one"}, 'dr:nat: "one" applies to a VPC that the stack creates'),
        ({"existingVpc": "vpc-0a1b2c3d", "privateEndpoints": "true"}, 'dr:privateEndpoints: "true" applies to a VPC'),
    ],
)
def test_invalid_network_setting_is_refused(changes: dict[str, str | None], message: str) -> None:
    assert message in problems_of(settings(**changes))


def test_invalid_network_settings_are_reported_with_all_other_problems() -> None:
    text = problems_of(settings(tier="wram", primaryCidr="10.0.0.0/30", recoveryZones="[]", nat="two"))

    for key in ("dr:tier", "dr:primaryCidr", "dr:recoveryZones", "dr:nat"):
        assert f"{key}: " in text


def test_configured_endpoint_is_used_and_has_no_default() -> None:
    assert topology().primary.endpoint is None
    assert topology(primaryEndpoint="serving.example.com").primary.endpoint == "serving.example.com"


@pytest.mark.parametrize(
    ("key", "value", "fact"),
    [
        ("gpuInstanceTypes", '["g5.2xlrage"]', '"g5.2xlrage" is not an instance type'),
        ("modelMemoryGib", "40", "a replica needs 40 GiB"),
        ("minAvailable", "5", "leave 4 when the fullest is lost; 5 need 8 replicas, or 6 zones"),
        ("maxReplicas", "5", "5 is fewer than the 6 replicas of the peak"),
        ("alertAddresses", '["oncall"]', '"oncall" is not a valid e-mail address'),
        ("apiCidrs", '["10.0.0.1/8"]', '"10.0.0.1/8" is not a network address'),
        ("clientCidrs", json.dumps([f"10.0.{n}.0/24" for n in range(36)]), "at most 35 items"),
        ("clientCidrs", '["everybody"]', '"everybody" is not a valid CIDR block'),
        ("operatorRoles", '["admin"]', '"admin" is not a valid ARN of an IAM role'),
        ("warmFraction", "1.5", '"1.5" is not a valid value'),
        ("reservedGpuNodes", "-1", '"-1" is not a valid value'),
    ],
)
def test_invalid_workload_value_is_refused(key: str, value: str, fact: str) -> None:
    text = problems_of(settings(**{key: value}))

    assert f"dr:{key}" in text
    assert fact in text


def test_minimum_replicas_follow_the_regions_role_and_tier() -> None:
    assert topology(Role.RECOVERY, tier="warm").capacity_here.replicas == 3
    assert topology(Role.PRIMARY, tier="warm").capacity_here.replicas == 6


def test_existing_cluster_requires_its_existing_vpc() -> None:
    assert "dr:existingVpc" in problems_of(settings(existingCluster="serving"))
    made = topology(existingCluster="serving", existingVpc="vpc-0123456789abcdef0")
    assert made.existing_cluster == "serving"


def test_alert_topic_arn_is_derived_from_region_and_account() -> None:
    assert topology().alert_topic_arn(Role.RECOVERY) == f"arn:aws:sns:us-west-2:{ACCOUNT}:ml-dr-alerts"


def test_serving_settings_have_defaults_and_follow_the_configuration() -> None:
    assert topology().serving == Serving()
    changed = topology(modelSet="fraud", mesh="true", sharedMesh="true", toolsImage="docker.io/tools:1").serving
    assert (changed.model_set, changed.shared_mesh, changed.tools_image) == ("fraud", True, "docker.io/tools:1")


@pytest.mark.parametrize(
    ("key", "value", "fact"),
    [
        ("inferenceImage", "mlserver:1.7.1", "has no registry"),
        ("toolsImage", "docker.io/tools", "is the image that was pushed last"),
        ("modelSet", "Digits/../x", "dr:modelSet"),
        ("imageDigests", "maybe", 'dr:imageDigests: "maybe" is not a valid value'),
    ],
)
def test_invalid_serving_setting_is_refused(key: str, value: str, fact: str) -> None:
    assert fact in problems_of(settings(**{key: value}))


def test_images_without_a_digest_are_refused_where_digests_are_required() -> None:
    text = problems_of(settings(imageDigests="require"))

    assert "dr:inferenceImage" in text
    assert "dr:toolsImage" in text
    assert topology(imageDigests="warn").serving.images["dr:toolsImage"] == Serving().tools_image


def test_shared_mesh_without_a_mesh_is_refused() -> None:
    assert "without a mesh there is nothing to share" in problems_of(settings(mesh="false", sharedMesh="true"))


def test_invalid_region_is_reported_once() -> None:
    for role in Role:
        text = problems_of(settings(role, **{f"{role}Region": "us-esat-1", "tier": "pilot"}))

        assert text.startswith(f'invalid: dr:{role}Region: "us-esat-1" is not a valid AWS region')


def test_all_zones_of_another_region_are_reported_in_one_problem() -> None:
    text = problems_of(settings(recoveryRegion="eu-west-1"))

    assert text.startswith('invalid: dr:recoveryZones: "us-west-2a", "us-west-2b", "us-west-2c" are not in eu-west-1')


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gpuInstanceTypes", "g5.2xlarge", "dr:gpuInstanceTypes[0]' g5.2xlarge"),
        ("buckets", "audit", "dr:buckets[0].name' audit"),
        ("tags", "ml", "dr:tags.team' ml"),
    ],
)
def test_string_for_a_list_or_map_key_is_refused_with_the_command_that_sets_it(
    key: str, value: str, message: str
) -> None:
    text = problems_of(settings(**{key: value, "tier": "wram"}))

    assert f'dr:{key}: "{value}" is not a {"map" if key == "tags" else "list"}' in text
    assert f"`pulumi config set --path '{message}`" in text
    assert "dr:tier: " in text


def test_list_for_a_string_key_is_refused() -> None:
    assert "is not a valid AWS region" in problems_of(settings(primaryRegion='["us-east-1"]'))


def test_runner_needs_an_image() -> None:
    text = problems_of(settings(runner="true"))

    assert "dr:runnerImage: is not set and dr:runner is true" in text
    assert "docs/how-to/runner.md" in text


def test_role_of_the_runner_administers_the_cluster() -> None:
    made = topology(runner="true", runnerImage="registry.example.com/runner:1")

    assert made.operator_roles == (f"arn:aws:iam::{ACCOUNT}:role/ml-dr-us-east-1-runner",)


RUNNER = {"runner": "true", "runnerImage": "registry.example.com/runner:1"}


@pytest.mark.parametrize("mode", ["prepare", "automatic"])
def test_automation_needs_the_runner(mode: str) -> None:
    text = problems_of(settings(Role.RECOVERY, automation=mode))

    assert f"dr:automation: is {mode}, and dr:runner is false: automation runs in CodeBuild" in text
    assert "`pulumi config set dr:runner true`" in text
    assert topology(Role.RECOVERY, automation=mode, **RUNNER).automates


def test_automatic_failover_needs_clients_without_tokens() -> None:
    tokens = {"authentication": "jwt", "jwtIssuer": "https://id.example.com", "jwtAudiences": '["ml"]', **RUNNER}
    text = problems_of(settings(Role.RECOVERY, automation="automatic", **tokens))

    assert "dr:automation: is automatic, and dr:authentication is jwt" in text
    assert "`pulumi config set dr:automation prepare`" in text
    assert "dr:automation" not in problems_of(settings(Role.RECOVERY, automation="prepare", **tokens))


def test_automation_that_only_notifies_needs_no_runner() -> None:
    assert not topology(Role.RECOVERY, automation="notify").automates


def test_primary_stack_starts_no_automation() -> None:
    assert not topology(Role.PRIMARY, automation="automatic").automates


def test_role_of_automation_administers_the_cluster_of_the_recovery_region() -> None:
    made = topology(Role.RECOVERY, automation="automatic", **RUNNER)

    roles = [f"arn:aws:iam::{ACCOUNT}:role/ml-dr-us-west-2-{name}" for name in ("runner", "automation")]
    assert list(made.operator_roles) == roles


def test_name_of_automations_role_has_to_fit() -> None:
    # The role of the runner has 64 characters, that of automation has 68.
    text = problems_of(settings(Role.RECOVERY, automation="automatic", bucketPrefix="a" * 47, **RUNNER))

    assert "has more than 64 characters" in text


def test_name_of_the_runners_role_has_to_fit() -> None:
    text = problems_of(settings(runner="true", runnerImage="registry.example.com/runner:1", bucketPrefix="a" * 50))

    assert "has more than 64 characters" in text


REGISTRY = {"registry": "mlflow", "registryImage": "docker.io/registry:1"}


def test_registry_has_the_image_of_the_user_and_is_listed_with_the_other_images() -> None:
    made = topology(**REGISTRY)

    assert made.registry is not None
    assert (made.registry.image, made.images["dr:registryImage"]) == ("docker.io/registry:1", "docker.io/registry:1")
    assert made.images.items() > made.serving.images.items()


def test_no_registry_is_deployed_by_default() -> None:
    assert topology().registry is None
    assert "dr:registryImage" not in topology(registryImage="docker.io/registry:1").images


def test_registry_without_a_database_is_refused() -> None:
    text = problems_of(settings(**REGISTRY, database="none"))

    assert "dr:registry: is mlflow, and dr:database is none" in text
    assert "`pulumi config set dr:database aurora`" in text


@pytest.mark.parametrize(
    ("image", "fact"),
    [
        ("", "dr:registryImage: is not set, and dr:registry is mlflow"),
        ("docker.io/registry", "is the image that was pushed last"),
        ("registry:1", "has no registry"),
    ],
)
def test_registry_without_a_valid_image_is_refused(image: str, fact: str) -> None:
    assert fact in problems_of(settings(**{**REGISTRY, "registryImage": image}))


def test_image_of_the_registry_needs_a_digest_where_all_do() -> None:
    text = problems_of(settings(**REGISTRY, imageDigests="require"))

    assert "dr:registryImage" in text
    assert "dr:registryImage" not in problems_of(settings(registryImage="docker.io/registry:1", imageDigests="require"))
