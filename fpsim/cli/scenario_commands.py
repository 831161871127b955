"""Commands about scenarios themselves: list, show, new, check."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from fpsim.cli.application import app
from fpsim.cli.terminal import say

__all__ = ["check", "complete_scenario", "list_scenarios", "new", "show"]

WIDTH = 110


def complete_scenario(incomplete: str) -> list[str]:
    """Names of scenarios that begin so, for the shell."""
    from fpsim.scenario import available

    return [name for name in available() if name.startswith(incomplete)]


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come with the package, by subject.

    Example: fpsim list
    """
    from fpsim.scenario import catalogue_entries

    entries = catalogue_entries()
    width = max(len(entry.name) for entry in entries)
    for number, (subject, group) in enumerate(itertools.groupby(entries, key=lambda entry: entry.subject)):
        typer.echo(f"\n{subject}" if number else subject)
        for entry in group:
            typer.echo(f"  {entry.name:<{width}}  {entry.title}")


@app.command()
def show(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, a TOML or a Python file.", autocompletion=complete_scenario)
    ],
) -> None:
    """Say what a scenario is for, and its parameters: key, value, meaning, what is accepted.

    Example: fpsim show momentum
    """
    from fpsim.scenario import load_scenario
    from fpsim.scenario.parameters.meaning import parameter_lines

    found = load_scenario(scenario)
    lines = parameter_lines(found.parameters, found.quick)
    paragraphs = [
        textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False) for text in found.purpose.split("\n\n")
    ]
    say("\n".join([found.title or found.name, f"({found.subject})", "", "\n\n".join(paragraphs), *lines]))


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="File to write: .py for the code, .toml for the parameters.")],
    source: Annotated[
        str, typer.Option("--from", metavar="NAME", help="Scenario to copy.", autocompletion=complete_scenario)
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Copy a scenario into a file of your own, to be changed and run.

    Example: fpsim new my_study.py --from momentum
    """
    from fpsim.scenario import copy_scenario

    say(str(copy_scenario(source, file, overwrite=force)))


@app.command()
def check(
    scenario: Annotated[
        str, typer.Argument(help="Name of a scenario, a TOML or a Python file.", autocompletion=complete_scenario)
    ],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change one key: section.key=value; may be repeated.")
    ] = None,
) -> None:
    """Say which theory applies to a scenario's experiments, and what it would cost, before anything is run.

    Example: fpsim check bottleneck --set sgd.learning_rate=0.2
    """
    from fpsim.applicability import check as applicability
    from fpsim.scenario import load_scenario, parse_assignments
    from fpsim.support.errors import ConfigError

    found = load_scenario(scenario, changes=parse_assignments(change or []))
    if found.experiments is None:
        raise ConfigError(f"scenario {found.name} names no experiments: one of networks is accepted, as bottleneck")
    for number, (name, experiment) in enumerate(found.experiments(found.parameters).items()):
        say(f"{chr(10) if number else ''}{name}")
        say(str(applicability(experiment)))
