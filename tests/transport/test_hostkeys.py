"""Who is let through as the host we want, against a real sshd."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import asyncssh
import pytest

from mooring.model.errors import HostKeyChanged, HostKeyError, InvalidTarget, UnknownHostKey
from mooring.transport.hostfiles import KnownHosts
from mooring.transport.hostkeys import HostKeyCheck
from mooring.transport.known_hosts import new_line
from tests.peers.keys import Keyring, public_line

if TYPE_CHECKING:
    from tests.peers.fixtures import StartSshd
    from tests.peers.sshd import Sshd

pytestmark = pytest.mark.anyio


class Address(NamedTuple):
    """A server that is no sshd."""

    host: str
    port: int
    user: str = "user"
    client_key: None = None


class Client(asyncssh.SSHClient):
    def __init__(self, check: HostKeyCheck) -> None:
        self.validate_host_public_key = check.validate_host_public_key  # type: ignore[method-assign]
        self.validate_host_ca_key = check.validate_host_ca_key  # type: ignore[method-assign]


def check_of(
    server: Sshd | Address, files: Path | list[Path], policy: str = "verify", **options: object
) -> HostKeyCheck:
    known_hosts = KnownHosts([files] if isinstance(files, Path) else files)
    given = {"host": server.host, "port": server.port, "policy": policy, "known_hosts": known_hosts, **options}
    return HostKeyCheck(**given)  # type: ignore[arg-type]


@asynccontextmanager
async def dialed(
    server: Sshd | Address, check: HostKeyCheck, heard: asyncio.Event | None = None
) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """A connection as the dial makes it; ``heard`` is set when nothing more is heard of the server's keys."""
    options = check.asyncssh_options()
    announced = options["server_host_keys_handler"]
    if heard is not None and announced is None:
        heard.set()
    elif heard is not None:

        async def handler(*keys: object) -> None:
            await announced(*keys)
            heard.set()

        options["server_host_keys_handler"] = handler
    try:
        connection = await asyncssh.connect(
            server.host,
            server.port,
            config=None,
            client_factory=lambda: Client(check),
            username=server.user,
            client_keys=[str(server.client_key)] if server.client_key else None,
            agent_path=None,
            **options,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise check.refused(error) from error
    async with connection:
        await check.settle()
        yield connection


async def refusal(server: Sshd, check: HostKeyCheck) -> HostKeyError:
    with pytest.raises(HostKeyError) as caught:
        async with dialed(server, check):
            pass
    return caught.value


def write(file: Path, *lines: str) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def name(server: Sshd | Address) -> str:
    return f"[{server.host}]:{server.port}"


def fingerprint(key: Path) -> str:
    return asyncssh.read_public_key(key.with_suffix(".pub")).get_fingerprint()


def ssh(server: Sshd, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the real client with this file of known hosts."""
    command = [part.replace(str(server.known_hosts), str(file)) for part in server.ssh_command(*options)]
    return subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


async def test_a_known_key_is_accepted(sshd: Sshd) -> None:
    check = check_of(sshd, sshd.known_hosts)
    async with dialed(sshd, check) as connection:
        assert (await connection.run("echo in", check=True)).stdout == "in\n"
    assert (check.policy_name, check.error) == ("verify", None)


async def test_an_unknown_key_is_refused_and_the_hint_is_a_command_that_trusts_it(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "known hosts"
    known_hosts = KnownHosts([file])
    error = await refusal(sshd, check_of(sshd, [], known_hosts=known_hosts))
    assert isinstance(error, UnknownHostKey)
    assert error.fingerprint == fingerprint(sshd.host_keys[0])
    assert error.fingerprint in error.message
    assert name(sshd) in error.message
    assert (error.host, error.key_type) == (name(sshd), "ssh-ed25519")
    assert not file.exists()
    assert error.hint is not None
    subprocess.run(["/bin/sh", "-c", error.hint.partition("trust it: ")[2]], check=True)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    async with dialed(sshd, check_of(sshd, [], known_hosts=known_hosts)):
        pass


async def test_the_hint_does_not_break_a_last_line_without_an_end(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text("other " + public_line(sshd.host_keys[0]))
    error = await refusal(sshd, check_of(sshd, file))
    assert error.hint is not None
    subprocess.run(["/bin/sh", "-c", error.hint.partition("trust it: ")[2]], check=True)
    async with dialed(sshd, check_of(sshd, file)):
        pass
    assert len(KnownHosts([file]).match("other", 22).keys) == 1


@pytest.mark.parametrize("files", [[], [Path("/dev/null")]])
async def test_without_a_file_to_write_to_the_hint_is_the_pin(sshd: Sshd, files: list[Path]) -> None:
    error = await refusal(sshd, check_of(sshd, files))
    assert error.hint is not None
    async with dialed(sshd, check_of(sshd, [], error.hint.partition("trust it: host_key=")[2])):
        pass


async def test_unreadable_lines_are_named(sshd: Sshd, tmp_path: Path) -> None:
    file = write(tmp_path / "known_hosts", "# fine", "rubbish", f"{name(sshd)} ssh-future AAAACnNzaC1mdXR1cmU=")
    assert f"{file}:2, {file}:3" in (await refusal(sshd, check_of(sshd, file))).message


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_a_changed_key_of_any_kind_is_refused_and_the_hint_forgets_the_old(
    sshd: Sshd, tmp_path: Path, keyring: Keyring, kind: str
) -> None:
    old = public_line(keyring.key(f"old_{kind}", kind))
    file = write(tmp_path / "known_hosts", "other " + old, f"{name(sshd)} {old}")
    errors = [await refusal(sshd, check_of(sshd, file, policy)) for policy in ("verify", "accept-new")]
    for error in errors:
        assert isinstance(error, HostKeyChanged)
        assert f"{file}:2" in error.message
        assert error.fingerprint == fingerprint(sshd.host_keys[0])
    assert errors[0].hint is not None
    subprocess.run(["/bin/sh", "-c", errors[0].hint.partition("forget the old: ")[2]], check=True, capture_output=True)
    assert isinstance(await refusal(sshd, check_of(sshd, file)), UnknownHostKey)
    assert len(KnownHosts([file]).match("other", 22).keys) == 1


async def test_a_key_known_of_another_kind_is_asked_for_first(start_sshd: StartSshd, keyring: Keyring) -> None:
    ed25519, rsa = keyring.key("host"), keyring.key("host_rsa", "rsa")
    server = start_sshd(host_keys=[ed25519, rsa])
    write(server.known_hosts, f"{name(server)} {public_line(rsa)}")
    async with dialed(server, check_of(server, server.known_hosts, update=False)) as connection:
        key = connection.get_server_host_key()
        assert key is not None
        assert key.get_fingerprint() == fingerprint(rsa)


async def test_the_name_without_port_is_a_last_resort(sshd: Sshd, tmp_path: Path, keyring: Keyring) -> None:
    file = write(tmp_path / "known_hosts", f"{sshd.host} {public_line(sshd.host_keys[0])}")
    async with dialed(sshd, check_of(sshd, file)):
        pass
    write(file, f"{sshd.host} {public_line(keyring.key('old_rsa', 'rsa'))}")
    assert isinstance(await refusal(sshd, check_of(sshd, file)), UnknownHostKey)
    async with dialed(sshd, check_of(sshd, file, "accept-new")):
        pass
    assert ssh(sshd, file).returncode == 0


async def test_a_host_key_alias_is_looked_up_whatever_the_port(sshd: Sshd, tmp_path: Path) -> None:
    file = write(tmp_path / "known_hosts", f"core {public_line(sshd.host_keys[0])}")
    async with dialed(sshd, check_of(sshd, file, alias="core")):
        pass
    assert (await refusal(sshd, check_of(sshd, file, alias="edge"))).host == "edge"


async def test_accept_new_writes_only_once_the_handshake_proved_the_key(sshd: Sshd, tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "ssh" / "known_hosts"
    check = check_of(sshd, file, "accept-new", on_change=told.append)
    check.asyncssh_options()
    key = asyncssh.read_public_key(sshd.host_keys[0].with_suffix(".pub"))
    assert check.validate_host_public_key(sshd.host, sshd.host, sshd.port, key)
    assert not file.exists()
    await check.settle()
    assert file.read_text() == new_line(name(sshd), key) + "\n"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert told == [f"trusted ssh-ed25519 {check.fingerprint} of {name(sshd)} at first sight, written to {file}"]
    await check.settle()
    assert len(told) == 1


async def test_what_accept_new_wrote_is_what_ssh_reads(sshd: Sshd, tmp_path: Path) -> None:
    file = write(tmp_path / "known_hosts", "# mine")
    async with dialed(sshd, check_of(sshd, file, "accept-new", hash_names=True)):
        pass
    assert sshd.host not in file.read_text()
    assert file.read_text().startswith("# mine\n|1|")
    assert ssh(sshd, file).returncode == 0
    async with dialed(sshd, check_of(sshd, file)):
        pass


async def test_two_first_sights_of_different_keys_are_not_both_believed(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    keys = [asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(2)]
    known_hosts = KnownHosts([file])
    checks = [check_of(sshd, [], "accept-new", known_hosts=known_hosts) for _ in keys]
    for check, key in zip(checks, keys, strict=True):
        check.asyncssh_options()
        assert check.validate_host_public_key("", "", 0, key)
    await checks[0].settle()
    with pytest.raises(HostKeyChanged):
        await checks[1].settle()
    assert len(file.read_text().splitlines()) == 1


async def test_another_key_on_the_same_connection_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    check = check_of(sshd, tmp_path / "known_hosts", "off")
    check.asyncssh_options()
    first, second = (asyncssh.generate_private_key("ssh-ed25519").convert_to_public() for _ in range(2))
    assert check.validate_host_public_key("", "", 0, first)
    assert check.validate_host_public_key("", "", 0, first)
    assert not check.validate_host_public_key("", "", 0, second)
    assert isinstance(check.error, HostKeyChanged)


async def test_a_file_that_cannot_be_written_does_not_end_the_connection(sshd: Sshd, tmp_path: Path) -> None:
    told: list[str] = []
    file = write(tmp_path / "file") / "known_hosts"
    async with dialed(sshd, check_of(sshd, file, "accept-new", on_change=told.append)) as connection:
        assert (await connection.run("true")).exit_status == 0
    assert f"not written to {file}" in told[0]


async def test_a_file_that_cannot_be_read_is_no_file_without_keys(sshd: Sshd, tmp_path: Path) -> None:
    for policy in ("verify", "accept-new", "off"):
        error = await refusal(sshd, check_of(sshd, tmp_path, policy))
        assert str(tmp_path) in error.message


async def test_off_accepts_any_key_and_writes_nothing(sshd: Sshd, tmp_path: Path, keyring: Keyring) -> None:
    line = f"{name(sshd)} {public_line(keyring.key('old_rsa', 'rsa'))}"
    file = write(tmp_path / "known_hosts", line)
    async with dialed(sshd, check_of(sshd, file, "off")):
        pass
    assert file.read_text() == line + "\n"


async def test_a_pin_is_the_only_key(sshd: Sshd, tmp_path: Path, keyring: Keyring) -> None:
    right, wrong = sshd.host_keys[0], keyring.key("old_rsa", "rsa")
    for pin in (fingerprint(right), public_line(right), public_line(right) + " a comment"):
        check = check_of(sshd, tmp_path / "none", pin)
        assert check.policy_name == "pinned"
        async with dialed(sshd, check):
            pass
    for pin in (fingerprint(wrong), public_line(wrong)):
        error = await refusal(sshd, check_of(sshd, sshd.known_hosts, pin))
        assert isinstance(error, HostKeyChanged)
        assert fingerprint(wrong) in error.message
    assert not (tmp_path / "none").exists()


async def test_a_pinned_key_is_asked_for_first(start_sshd: StartSshd, keyring: Keyring, tmp_path: Path) -> None:
    rsa = keyring.key("host_rsa", "rsa")
    server = start_sshd(host_keys=[keyring.key("host"), rsa])
    async with dialed(server, check_of(server, tmp_path / "none", public_line(rsa))):
        pass


async def test_a_malformed_pin_is_an_invalid_option(sshd: Sshd, tmp_path: Path) -> None:
    with pytest.raises(InvalidTarget, match="host_key"):
        check_of(sshd, tmp_path / "none", "ssh-ed25519 AAAA")


@pytest.mark.parametrize("policy", ["verify", "accept-new", "off", "pinned"])
@pytest.mark.parametrize("pattern", ["*", "127.0.0.1", "[127.0.0.1]:*"])
async def test_a_revoked_key_is_refused_under_every_policy(
    sshd: Sshd, tmp_path: Path, policy: str, pattern: str
) -> None:
    key = public_line(sshd.host_keys[0])
    file = write(tmp_path / "known_hosts", f"{name(sshd)} {key}", f"@revoked {pattern} {key}")
    error = await refusal(sshd, check_of(sshd, file, key if policy == "pinned" else policy))
    assert isinstance(error, HostKeyChanged)
    assert "revoked" in error.message
    assert f"{file}:2" in error.message


def certified(keyring: Keyring, start_sshd: StartSshd, principal: str, case: str, validity: str = "-5m:+1h") -> Sshd:
    key = keyring.key(f"certified_{case}")
    certificate = keyring.ca("host").sign(key, principal, host=True, validity=validity)
    return start_sshd(host_keys=[key], HostCertificate=certificate)


async def test_a_certificate_of_a_trusted_authority_is_accepted(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = certified(keyring, start_sshd, "127.0.0.1", "right")
    file = write(tmp_path / "known_hosts", keyring.ca("host").known_hosts_line("*.0.0.1,[*]:*"))
    before = file.read_text()
    for policy in ("verify", "accept-new"):
        async with dialed(server, check_of(server, file, policy)) as connection:
            assert "-cert-" in str(check_of(server, file).asyncssh_options()["server_host_key_algs"][0])
            await connection.run("true")
    assert file.read_text() == before


async def test_an_authority_of_the_name_without_port_will_do_as_for_ssh(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = certified(keyring, start_sshd, "127.0.0.1", "right")
    file = write(tmp_path / "known_hosts", keyring.ca("host").known_hosts_line("127.0.0.1"))
    async with dialed(server, check_of(server, file)):
        pass
    assert ssh(server, file).returncode == 0


@pytest.mark.parametrize(
    ("reason", "principal", "validity"),
    [
        ("principal", "elsewhere", "-5m:+1h"),
        ("expired", "127.0.0.1", "-2h:-1h"),
        ("not yet valid", "127.0.0.1", "+1h:+2h"),
    ],
)
async def test_a_certificate_for_another_host_or_time_is_refused(
    start_sshd: StartSshd, keyring: Keyring, *, reason: str, principal: str, validity: str
) -> None:
    server = certified(keyring, start_sshd, principal, reason.replace(" ", "_"), validity)
    write(server.known_hosts, keyring.ca("host").known_hosts_line("*"))
    assert reason in (await refusal(server, check_of(server, server.known_hosts))).message


async def test_a_certificate_of_another_authority_is_refused(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = certified(keyring, start_sshd, "127.0.0.1", "right")
    file = write(tmp_path / "known_hosts", keyring.ca("another").known_hosts_line("*"))
    error = await refusal(server, check_of(server, file))
    assert isinstance(error, HostKeyChanged)
    assert f"{file}:1" in error.message


async def test_where_no_authority_is_trusted_the_key_in_the_certificate_counts(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path
) -> None:
    server = certified(keyring, start_sshd, "127.0.0.1", "right")
    file = write(tmp_path / "known_hosts", f"{name(server)} {public_line(server.host_keys[0])}")
    async with dialed(server, check_of(server, file)):
        pass


async def test_a_plain_key_where_certificates_are_trusted_is_a_changed_one(sshd: Sshd, tmp_path: Path) -> None:
    ca = sshd.keyring.ca("host").known_hosts_line("*")
    for policy in ("verify", "accept-new"):
        file = write(tmp_path / "known_hosts", ca)
        error = await refusal(sshd, check_of(sshd, file, policy))
        assert isinstance(error, HostKeyChanged)
        assert "without a certificate" in error.message
        assert file.read_text() == ca + "\n"


@pytest.mark.parametrize("revoked", ["authority", "key"])
async def test_a_certificate_is_refused_when_its_authority_or_its_key_is_revoked(
    start_sshd: StartSshd, keyring: Keyring, tmp_path: Path, revoked: str
) -> None:
    server = certified(keyring, start_sshd, "127.0.0.1", "right")
    ca = keyring.ca("host")
    bad = ca.public if revoked == "authority" else public_line(server.host_keys[0])
    file = write(tmp_path / "known_hosts", ca.known_hosts_line("*"), f"@revoked * {bad}")
    error = await refusal(server, check_of(server, file))
    assert isinstance(error, HostKeyChanged)
    assert "revoked" in error.message


async def test_a_failing_check_fails_closed(sshd: Sshd, tmp_path: Path) -> None:
    check = check_of(sshd, tmp_path / "known_hosts")
    check.asyncssh_options()
    assert not check.validate_host_public_key("", "", 0, None)  # type: ignore[arg-type]
    assert isinstance(check.error, HostKeyError)
    assert "could not be checked" in check.error.message


def test_old_algorithms_are_offered_only_on_request(tmp_path: Path) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048).convert_to_public()
    file = write(tmp_path / "known_hosts", new_line("h", rsa))

    def offered(*, legacy: bool) -> list[str]:
        check = HostKeyCheck(host="h", port=22, policy="verify", known_hosts=KnownHosts([file]), legacy=legacy)
        found = check.asyncssh_options()["server_host_key_algs"]
        assert isinstance(found, list)
        return found

    assert offered(legacy=False)[:3] == ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]
    assert not {"ssh-rsa", "ssh-dss"} & set(offered(legacy=False))
    assert offered(legacy=True)[-2:] == ["ssh-rsa", "ssh-dss"]


@pytest.mark.parametrize(
    ("wish", "offered"),
    [
        ("ssh-ed25519", ["ssh-ed25519"]),
        ("ecdsa-*,ssh-ed25519,no-such", ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]),
        ("^rsa-*", ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]),
        ("-*ed25519,ecdsa*", ["rsa-sha2-512", "rsa-sha2-256"]),
        ("+ssh-rsa", ["ssh-ed25519"]),
    ],
)
def test_host_key_algorithms_of_ssh_config_win(wish: str, offered: list[str]) -> None:
    check = HostKeyCheck(host="h", port=22, policy="verify", known_hosts=None, algorithms=wish)
    found = check.asyncssh_options()["server_host_key_algs"]
    assert found[: len(offered)] == offered
    assert ("ssh-rsa" in found) is (wish == "+ssh-rsa")
