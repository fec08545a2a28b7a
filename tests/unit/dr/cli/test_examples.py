"""The command reference in docs/cli.md; tests/unit/test_docs.py checks that it is up to date."""

from typer.main import get_command

from docs.generate.cli import commands, document
from docs.generate.cli_examples import OUTPUTS
from dr.cli.main import EXITS, app

COMMANDS = dict(commands(get_command(app)))


def test_every_command_has_exit_codes_and_a_sample_output() -> None:
    assert set(EXITS) == set(COMMANDS)
    assert set(OUTPUTS) == {f"dr {name}" for name in COMMANDS}


def test_sample_outputs_fit_80_columns_without_trailing_blanks() -> None:
    lines = [line for name, output in OUTPUTS.items() if name != "dr eks-token" for line in output.splitlines()]

    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


def test_the_reference_names_every_option_and_argument() -> None:
    text = document()

    for command in COMMANDS.values():
        names = [name if name.startswith("-") else name.upper() for each in command.params for name in each.opts]
        assert [name for name in names if f"`{name}`" not in text] == []
