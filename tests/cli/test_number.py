"""Numbers on the command line: one reading for all of them, and no nan, inf or what is out of range."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import click
import pytest

import mooring.cli
from mooring.cli.number import Number
from mooring.simulate.__main__ import parser


def commands() -> Iterator[click.Command]:
    """All that take their words by click."""
    for module in iter_modules(mooring.cli.__path__, "mooring.cli."):
        if not module.name.endswith("__main__"):
            yield from (one for one in vars(import_module(module.name)).values() if isinstance(one, click.Command))


def test_every_option_with_a_fraction_reads_it_so() -> None:
    floats = [
        (command.name, option.name, type(option.type))
        for command in commands()
        for option in command.params
        if isinstance(option.type, click.FloatRange | click.types.FloatParamType)
    ]
    assert len(floats) > 7
    assert [one for one in floats if one[2] is not Number] == []


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-1", "0", "86401", "1e300", "soon", ""])
def test_what_is_out_of_range_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        Number(0, 86_400, min_open=True).convert(text, None, None)
    assert caught.value.message == f"must be a number more than 0 and at most 86400, not {text!r}"


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Number(0.01, 1000), "from 0.01 to 1000"), (Number(0), "from 0"), (Number(0, min_open=True), "more than 0")],
)
def test_a_range_in_words(kind: Number, said: str) -> None:
    with pytest.raises(click.BadParameter, match=f"^must be a number {said}, not 'inf'$"):
        kind.convert("inf", None, None)
    assert kind.convert("0.5", None, None) == 0.5


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "soon"])
@pytest.mark.parametrize(
    "words", [["hosts", "--latency"], ["junos", "--call-home", "h:1", "--reconnect"]], ids=["latency", "reconnect"]
)
def test_simulated_hosts_take_their_time_so_too(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([*words[:-1], f"{words[-1]}={text}"])
    assert f"{text!r} is no number of seconds" in capsys.readouterr().err
    assert isinstance(parser(), argparse.ArgumentParser)
