from dr.spelling import did_you_mean, nearest

NAMES = ("us-east-1", "us-west-2", "eu-west-1")


def test_nearest_returns_the_most_similar_name() -> None:
    assert nearest("us-esat-1", NAMES) == "us-east-1"


def test_nearest_returns_nothing_without_a_similar_name() -> None:
    assert nearest("xyz", NAMES) is None


def test_did_you_mean_suggests_the_nearest_name() -> None:
    assert did_you_mean("us-wset-2", NAMES, "use a region") == 'did you mean "us-west-2"?'


def test_did_you_mean_returns_the_alternative_without_a_similar_name() -> None:
    assert did_you_mean("xyz", NAMES, "use a region") == "use a region"
