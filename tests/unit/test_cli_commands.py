"""Commands of the laboratory that no distribution adds say where they come from; those that are added are left as they
are.
"""

import pytest
import typer
from typer.testing import CliRunner

from checkout.cli import support
from checkout.cli.main import LABORATORY_COMMANDS, add_laboratory


def add_bench(app: typer.Typer) -> None:
    @app.command()
    def bench() -> None:
        typer.echo("measured")


@pytest.fixture
def app() -> typer.Typer:
    """A program to which one distribution has added one of the laboratory's commands."""
    app = typer.Typer()
    add_laboratory(app, [add_bench])
    return app


def test_a_command_that_a_distribution_adds_runs(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["bench"]).output == "measured\n"


@pytest.mark.parametrize("name", sorted(set(LABORATORY_COMMANDS) - {"bench"}))
def test_a_command_that_no_distribution_adds_says_where_it_comes_from(app: typer.Typer, name: str) -> None:
    result = CliRunner().invoke(app, [name, "--json"])
    assert result.exit_code == 2
    assert f"{name} is a command of the laboratory, which is not installed." in result.output


@pytest.mark.parametrize("command", ["list", "show", "retry", "resolve", "cancel"])
def test_the_help_of_a_support_command_names_the_variables_it_reads(command: str) -> None:
    told = CliRunner().invoke(support.app, [command, "--help"], env={"COLUMNS": "200"}).output
    assert [name for name in ("CHECKOUT_API_URL", "CHECKOUT_SUPPORT_KEY") if name not in told] == []
