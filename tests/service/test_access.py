"""The verbs under an actor who may do little: what they may not read does not exist for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mooring import Pool
from mooring.model.access import Actor
from mooring.model.errors import InvalidInput, MooringError, NotAllowed, NothingSelected, UnknownAlias
from mooring.model.event import Event, EventKind
from mooring.model.status import SessionState
from mooring.service import Fleet
from mooring.simulate import SimulatedHosts
from mooring.wire.channel import Opening

from .held import ROOT, actor, hold, target

pytestmark = pytest.mark.anyio

VERBS: dict[str, Callable[[Fleet, Actor, str], Any]] = {
    "show": lambda fleet, who, alias: fleet.show(who, alias),
    "list": lambda fleet, who, alias: fleet.list(who, alias),
    "stop": lambda fleet, who, alias: fleet.stop(who, alias),
    "retry": lambda fleet, who, alias: fleet.retry(who, alias),
    "run": lambda fleet, who, alias: fleet.run(who, alias, "true"),
    "run_many": lambda fleet, who, alias: fleet.run_many(who, alias, "true"),
    "exec": lambda fleet, who, alias: fleet.open(who, alias, Opening("exec", command="true")),
    "pipe": lambda fleet, who, alias: fleet.open(who, alias, Opening("pipe", command="true")),
    "shell": lambda fleet, who, alias: fleet.open(who, alias, Opening("shell")),
    "netconf": lambda fleet, who, alias: fleet.open(who, alias, Opening("subsystem", subsystem="netconf")),
    "sftp": lambda fleet, who, alias: fleet.open(who, alias, Opening("subsystem", subsystem="sftp")),
    "tcp": lambda fleet, who, alias: fleet.open(who, alias, Opening("direct-tcpip", host="localhost", port=1)),
    "watch": lambda fleet, who, alias: fleet.watch(who, alias),
}
NEEDED = {
    "stop": "admin",
    "retry": "admin",
    "run": "run",
    "run_many": "run",
    "exec": "run",
    "pipe": "pipe",
    "shell": "shell",
    "netconf": "netconf",
    "sftp": "files",
    "tcp": "forward",
}
ACTIONS = ("run", "shell", "netconf", "files", "forward", "pipe", "approve")


async def refusal(verb: str, fleet: Fleet, who: Actor, alias: str) -> MooringError:
    with pytest.raises(MooringError) as refused:  # noqa: PT012 - some verbs are awaited
        found = VERBS[verb](fleet, who, alias)
        if isinstance(found, Awaitable):
            await found
    return refused.value


@pytest.mark.parametrize("verb", VERBS)
async def test_what_may_not_be_read_is_as_what_is_not_there(verb: str, fleet: Fleet, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    await hold(fleet, target(hosts, 1))
    joe = actor(read="host-2")
    hidden, missing = await refusal(verb, fleet, joe, "host-1"), await refusal(verb, fleet, joe, "host-9")
    assert type(hidden) is type(missing) is UnknownAlias
    assert str(hidden).replace("host-1", "host-9") == str(missing)
    assert hosts[0].commands == 0
    assert fleet.show(ROOT, "host-1").state is SessionState.UP


@pytest.mark.parametrize("verb", NEEDED)
async def test_each_verb_takes_its_own_action(verb: str, fleet: Fleet, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    others = {action: "all" for action in ACTIONS if action != NEEDED[verb]}
    error = await refusal(verb, fleet, actor(read="all", **others), "host-1")
    assert type(error) is NotAllowed
    assert NEEDED[verb] in str(error)
    assert hosts[0].commands == 0
    assert fleet.show(ROOT, "host-1").connects == 1


async def test_a_list_is_of_what_may_be_read(fleet: Fleet, hosts: SimulatedHosts) -> None:
    for number, site in enumerate(["ams", "lon"]):
        await hold(fleet, target(hosts, number, label=f"site:{site}"))
    joe = actor(read="site:ams", run="site:lon")
    assert [status.alias for status in fleet.list(joe)] == ["host-1"]
    assert [status.alias for status in fleet.list(joe, "host-*")] == ["host-1"]
    with pytest.raises(NothingSelected):
        fleet.list(joe, "site:lon")
    assert fleet.list(actor()) == []
    assert (await fleet.run(joe, "host-2", "hostname")).stdout == "host-2\n"
    assert fleet.statistics(actor(read="all")).sessions == 2
    for some in (joe, actor(run="all"), actor(read="*,!host-2")):
        with pytest.raises(NotAllowed):
            fleet.statistics(some)


async def test_news_of_devices_that_wait_are_for_those_who_may_see_them(fleet: Fleet) -> None:
    def tell(alias: str) -> None:
        fleet._pool.announce(Event(kind=EventKind.REFUSED, alias=alias, at=0.0, reason=""))  # noqa: SLF001 - no device

    for who, first in ((actor(read="all"), ""), (actor(approve="core*"), ""), (actor(read="*,!secret"), "x")):
        async with asyncio.timeout(30), fleet.watch(who) as watch:
            tell("")
            tell("x")
            assert (await anext(watch)).alias == first


async def test_of_what_is_seen_nothing_is_passed_over_in_silence(fleet: Fleet, hosts: SimulatedHosts) -> None:
    for number in range(4):
        await hold(fleet, target(hosts, number))
    joe = actor(read="all,!host-4", run="host-1")
    with pytest.raises(NotAllowed, match="host-2, host-3") as refused:
        fleet.run_many(joe, "all", "true")
    assert "host-4" not in str(refused.value)
    found = [outcome.alias async for outcome in fleet.run_many(joe, "all,!host-2,!host-3", "true")]
    assert found == ["host-1"]
    assert [host.commands for host in hosts] == [1, 0, 0, 0]
    limited = actor(read="all", admin="host-1")
    with pytest.raises(NotAllowed):
        await fleet.stop(limited, "host-1,host-2")
    assert len(fleet.list(ROOT)) == 4
    assert await fleet.stop(limited, "host-1") == ["host-1"]


@pytest.mark.parametrize("grants", [{}, {"run": "all"}, {"admin": "host-*"}, {"admin": "all,!host-2"}])
async def test_only_who_may_do_everything_starts(
    grants: dict[str, str], fleet: Fleet, pool: Pool, hosts: SimulatedHosts
) -> None:
    with pytest.raises(NotAllowed):
        await fleet.start(actor(**grants), target(hosts))
    assert pool.sessions == []


async def test_what_reaches_for_the_daemon_s_files_is_no_keyword(fleet: Fleet, hosts: SimulatedHosts) -> None:
    await hold(fleet, target(hosts))
    for keyword in ("stdin", "stdout", "stderr", "subsystem", "no_such"):
        keywords: dict[str, Any] = {keyword: "/tmp/x"}
        with pytest.raises(InvalidInput, match=keyword):
            await fleet.run(ROOT, "host-1", "true", **keywords)
        with pytest.raises(InvalidInput, match=keyword):
            fleet.run_many(ROOT, "host-1", "true", **keywords)
    assert hosts[0].commands == 0


@pytest.mark.parametrize(
    "opening",
    [
        Opening("exec"),
        Opening("exec", command=None),
        Opening("subsystem"),
        Opening("subsystem", subsystem=""),
        Opening("subsystem", subsystem=" "),
        Opening("direct-tcpip", host="localhost"),
        Opening("forward"),
        Opening("exec", command="true", subsystem="sftp"),
    ],
)
async def test_an_opening_that_lacks_something_is_no_shell(
    opening: Opening, fleet: Fleet, hosts: SimulatedHosts
) -> None:
    await hold(fleet, target(hosts))
    with pytest.raises(InvalidInput):
        await fleet.open(actor(read="all", run="all", forward="all"), "host-1", opening)
    assert hosts[0].channels == 0
