import pytest

from dr.errors import DrError, Failed, Invalid, Problem, Problems, Refused


def problem(subject: str) -> Problem:
    return Problem(subject, "is wrong", "fix it")


def collected(*errors: DrError) -> Problems:
    problems = Problems()
    for error in errors:
        with problems.collect():
            raise error
    return problems


def test_problems_without_an_error_raise_nothing() -> None:
    problems = Problems()
    with problems.collect():
        pass

    problems.raise_all()


def test_single_error_is_raised_unchanged() -> None:
    error = Failed(problem("a"))
    with pytest.raises(Failed) as caught:
        collected(error).raise_all()

    assert caught.value is error


def test_errors_of_one_kind_are_raised_as_one_of_that_kind_with_all_problems() -> None:
    with pytest.raises(Invalid) as caught:
        collected(Invalid(problem("a"), problem("b")), Invalid(problem("c"))).raise_all()

    assert [each.subject for each in caught.value.problems] == ["a", "b", "c"]


def test_errors_of_different_kinds_are_raised_as_refused() -> None:
    with pytest.raises(Refused) as caught:
        collected(Invalid(problem("a")), Failed(problem("b"))).raise_all()

    assert str(caught.value).startswith("refused: 2 problems")


def test_exception_of_another_class_is_not_collected() -> None:
    problems = Problems()
    with pytest.raises(KeyError), problems.collect():
        raise KeyError("a")
