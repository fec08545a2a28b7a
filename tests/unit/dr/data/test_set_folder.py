"""Files of a folder as parts of a model set."""

from pathlib import Path, PurePosixPath

import pytest

from dr.data import set_folder
from dr.data.publication import Item
from dr.errors import Invalid

FILES = ("data/train/1.csv", "parameters.json", "metrics.json", "model/model.joblib", "model/config.json")
"""A folder with every part."""


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


def test_folders_and_files_with_the_name_of_a_part_belong_to_it(tmp_path: Path) -> None:
    items = set_folder.items_of(make(tmp_path, *FILES))

    assert {item.key: (item.part, item.pair) for item in items} == {
        "data/train/1.csv": ("data", "datasets"),
        "metrics.json": ("metrics", "registry"),
        "model/config.json": ("model", "models"),
        "model/model.joblib": ("model", "models"),
        "parameters.json": ("parameters", "registry"),
    }
    set_folder.check("digits", items)


def test_files_that_belong_to_no_part_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        set_folder.items_of(make(tmp_path, *FILES, "digits.csv", ".cache/index"))

    assert [problem.subject for problem in caught.value.problems] == [
        str(tmp_path / name) for name in (".cache/index", "digits.csv")
    ]
    assert "add --part 'digits.csv=PART'" in caught.value.problems[1].remedy


def test_patterns_decide_before_names() -> None:
    rules = set_folder.parse_rules(["*.csv=data", "model/report*=metrics", "*=model"])

    found = [set_folder.part_of(PurePosixPath(name), rules) for name in ("a/b.csv", "model/report.html", "weights.bin")]
    assert found == ["data", "metrics", "model"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*.csv", "has not the form PATTERN=PART"),
        ("=data", "has not the form PATTERN=PART"),
        ("*.csv=dta", 'did you mean "data"?'),
    ],
)
def test_rule_that_cannot_be_used_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        set_folder.parse_rules([text])

    assert message in str(caught.value)


def test_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="it is not a folder"):
        set_folder.items_of(tmp_path / "absent")


def items(*left_out: str) -> list[Item]:
    return [Item(part, pair, Path(part)) for part, pair in set_folder.PARTS.items() if part not in left_out]


def test_set_that_lacks_a_part_is_refused_unless_that_is_accepted() -> None:
    with pytest.raises(Invalid) as caught:
        set_folder.check("digits", items("data", "metrics"))

    assert [problem.subject for problem in caught.value.problems] == ["data", "metrics"]
    assert caught.value.problems[0].remedy.endswith("--without data")
    set_folder.check("digits", items("data", "metrics"), ["data", "metrics"])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Item("model", "models", Path("model")), "two files have this path"),
        (Item("parameters", "registry", Path("manifest.json")), "reserved for the manifest"),
        (Item("model", "models", Path("x"), "x" * 1000), "S3 accepts at most 1024"),
    ],
)
def test_key_that_cannot_be_used_is_refused(item: Item, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        set_folder.check("digits", [*items(), item])


def test_unknown_part_to_leave_out_is_refused() -> None:
    with pytest.raises(Invalid, match="weights: not a part"):
        set_folder.check("digits", items(), ["weights"])
