import pytest

from dr.config.image_references import Image, parse, problem, without_digest

DIGEST = f"sha256:{'0a' * 32}"


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("docker.io/seldonio/mlserver:1.7.1", Image("docker.io", "seldonio/mlserver", "1.7.1", None)),
        (f"public.ecr.aws/lambda/python@{DIGEST}", Image("public.ecr.aws", "lambda/python", None, DIGEST)),
        (f"localhost:5000/a/b-c__d:1.0_x@{DIGEST}", Image("localhost:5000", "a/b-c__d", "1.0_x", DIGEST)),
    ],
)
def test_full_image_reference_is_parsed_into_its_parts(reference: str, image: Image) -> None:
    assert parse(reference) == image
    assert problem(reference) is None


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [("nginx:1.27", "use docker.io/library/nginx:1.27"), ("seldonio/mlserver:1", "use docker.io/seldonio/mlserver:1")],
)
def test_image_without_a_registry_is_refused_with_the_full_reference(reference: str, remedy: str) -> None:
    found = problem(reference)

    assert found == (f'"{reference}" has no registry, so the configuration of each node decides it', remedy)


@pytest.mark.parametrize("reference", ["docker.io/a", "docker.io/a:latest"])
def test_image_without_a_tag_or_tagged_latest_is_refused(reference: str) -> None:
    fact, _ = problem(reference) or ("", "")

    assert "is the image that was pushed last" in fact


@pytest.mark.parametrize(
    "reference", ["", "docker.io/", "docker.io/UP:1", "docker.io/a:1@sha256:00", "https://x.io/a:1"]
)
def test_invalid_image_reference_is_refused_with_the_expected_form(reference: str) -> None:
    fact, remedy = problem(reference) or ("", "")

    assert fact == f'"{reference}" is not a valid image reference'
    assert remedy.startswith("use registry/name:tag@digest")


def test_images_without_a_digest_are_reported_with_their_key() -> None:
    images = {"dr:inferenceImage": "docker.io/a:1", "dr:toolsImage": f"docker.io/b:1@{DIGEST}"}

    (found,) = without_digest(images)
    assert found.subject == "dr:inferenceImage"
    assert "`pulumi config set dr:inferenceImage docker.io/a:1@sha256:<digest>`" in found.remedy
