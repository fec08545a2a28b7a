import pytest

from dr.config.alert_addresses import address_problem, protocol_of


@pytest.mark.parametrize(
    ("address", "protocol"),
    [
        ("oncall@example.com", "email"),
        ("first.last+dr@team.example.co", "email"),
        ("https://hooks.example.com/x", "https"),
        ("https://name:password@hooks.example.com:8443?to=dr", "https"),
    ],
)
def test_alert_address_determines_the_subscription_protocol(address: str, protocol: str) -> None:
    assert address_problem(address) is None
    assert protocol_of(address) == protocol


@pytest.mark.parametrize("address", ["oncall", "oncall@", "@example.com", "on call@example.com", "a@b", "", "+1555000"])
def test_invalid_email_address_is_refused_with_an_example(address: str) -> None:
    assert address_problem(address) == (
        f'"{address}" is not a valid e-mail address',
        "use one such as oncall@example.com, or an https:// URL",
    )


@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.com/x",
        "https://",
        "ftp://a.example",
        "https://[",
        "HTTPS://a.example",
        "https://a b.example",
    ],
)
def test_url_that_is_not_valid_https_is_refused(address: str) -> None:
    problem = address_problem(address)

    assert problem
    assert "is not a valid HTTPS URL" in problem[0]
