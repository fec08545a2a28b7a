import json
import re

import pytest

from dr.data.database_login import new_password, password_of
from dr.data.login_rotation import with_password
from dr.errors import Invalid

LOGIN = json.dumps({"engine": "postgres", "username": "mlflow", "password": "former", "dbname": "mlflow", "port": 5432})


def test_a_new_password_is_random_and_one_that_rds_and_a_connection_string_accept() -> None:
    made = {new_password() for _ in range(20)}

    assert len(made) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", each) for each in made)


def test_another_password_leaves_everything_else_of_the_login() -> None:
    changed = json.loads(with_password(LOGIN, "new"))

    assert changed == {**json.loads(LOGIN), "password": "new"}


@pytest.mark.parametrize("text", ["", "secret-text", '["a"]', '{"user": "secret-text"}'])
def test_a_secret_that_is_not_a_login_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(Invalid, match="not a JSON object with a password") as raised:
        password_of(text, "secret ml-dr-database")

    assert "secret-text" not in str(raised.value)
