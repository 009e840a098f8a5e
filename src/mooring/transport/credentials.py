"""Private keys, certificates, agents and passwords: where they are kept, and who may read them."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncssh

from ..model.errors import CredentialError
from ..model.secret import Secret
from .agent import Agent
from .keyfiles import KeyFiles, read_private_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..model.target import Target
    from .keyfiles import Identity

__all__ = ["KeyRing", "look_up"]

_log: Final = logging.getLogger(__name__)

_KEYRING_TIMEOUT: Final = 10.0


class KeyRing:
    """The private keys, certificates, agents and password references of one pool.

    A key or certificate is opened once, however many sessions use it, and again when its file changed; an agent has
    one connection. Passwords are looked up each time, so that a changed one counts at once and none is kept.
    Belongs to one event loop. Call ``aclose()`` at the end.
    """

    def __init__(self) -> None:
        self._files = KeyFiles()
        # So that who waits takes no thread; the files have a lock of their own, for a thread outlives its waiter.
        self._reading = asyncio.Lock()
        self._agents: dict[str, Agent] = {}

    async def aclose(self) -> None:
        """Close the connections to agents."""
        agents = list(self._agents.values())
        self._agents.clear()
        for agent in agents:
            await agent.aclose()

    async def key_pairs(
        self,
        *,
        identity_files: Sequence[str] = (),
        certificate_files: Sequence[str] = (),
        identities_only: bool | None = None,
        agent: str | None = None,
        passphrase: Secret | str | None = None,
        defaults: bool = False,
        files_first: bool = False,
    ) -> list[asyncssh.SSHKeyPair]:
        """Key pairs for one login, in the order in which ssh offers them: certificates, the agent's, files'.

        Each call makes new ones, since they carry the state of a login. Cancelling is safe.

        Args:
            identity_files: Private key files, or public ones whose private half the agent holds. ``FILE-cert.pub``
                beside one is its certificate.
            certificate_files: Further certificates for any of the keys.
            identities_only: Leave out the agent's keys that no file names.
            agent: The agent's socket; None or ``SSH_AUTH_SOCK`` for that variable's, if it is set, ``none`` for none.
            passphrase: For all files that have one.
            defaults: Try ``~/.ssh/id_ed25519``, ``id_ecdsa`` and ``id_rsa`` too; what cannot be used is passed over.
            files_first: Offer files' keys before those of the agent that no file names: servers count attempts.

        Raises:
            CredentialError: A named file is missing, malformed, readable by others, or not opened by the passphrase,
                and the agent does not hold its key. An agent that cannot be reached holds none.
        """
        secret = Secret(passphrase) if passphrase is not None else None
        keeper = self._agent(agent)
        held: list[asyncssh.SSHKeyPair] = []
        complaint = ""
        if keeper is not None:
            try:
                held = await keeper.keys()
            except CredentialError as error:
                complaint = error.message
                _log.debug("%s", complaint)
        blobs = frozenset(pair.public_data for pair in held)
        async with self._reading:
            try:
                identities = await asyncio.to_thread(
                    self._files.identities,
                    [_expand(name) for name in identity_files],
                    [_expand(name) for name in certificate_files],
                    secret,
                    blobs,
                    defaults=defaults,
                )
            except CredentialError as error:
                raise CredentialError(
                    f"{error.message}; {complaint}" if complaint else error.message, hint=error.hint
                ) from None
        return _in_order(identities, held, keeper, others=not identities_only, files_first=files_first)

    def _agent(self, path: str | None) -> Agent | None:
        path = os.environ.get("SSH_AUTH_SOCK", "") if path in {None, "SSH_AUTH_SOCK"} else path
        if not path or path == "none":
            return None
        path = str(_expand(path))
        return self._agents.setdefault(path, Agent(path))

    async def password(self, target: Target) -> Secret | None:
        """The password of a target: its own, or what ``password_from`` refers to; None where it names neither.

        Cancelling is safe.

        Raises:
            CredentialError: The reference leads nowhere, or to a file that others can read.
        """
        if target.password is not None or target.password_from is None:
            return target.password
        where = f"the password of {target.alias}, password_from={target.password_from}"
        return await look_up(target.password_from, target.username, where)


async def look_up(reference: str, username: str | None, where: str) -> Secret:
    """What a reference leads to. Cancelling is safe.

    Args:
        reference: ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE``.
        username: Whose, in a keyring.
        where: What it is, for messages: ``the password of web1, password_from=env:PW``.

    Raises:
        CredentialError: It leads nowhere, or to a file that others can read.
    """
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        found = os.environ.get(name)
    elif scheme == "file":
        found = await asyncio.to_thread(_first_line, _expand(name), where)
    else:
        found = await _from_keyring(name, username, where)
    if not found:
        raise CredentialError(f"{where}, is not set" if scheme == "env" else f"{where}, is not there")
    return Secret(found)


def _in_order(
    identities: Sequence[Identity],
    held: Sequence[asyncssh.SSHKeyPair],
    agent: Agent | None,
    *,
    others: bool,
    files_first: bool,
) -> list[asyncssh.SSHKeyPair]:
    """The order of ssh: certificates, the agent's keys that a file names, its others, keys in files alone."""
    named = {identity.blob for identity in identities}
    of_agent = {pair.public_data: pair for pair in held}
    pairs: list[asyncssh.SSHKeyPair] = []
    for identity in identities:
        for certificate in identity.certificates:
            if agent is not None and identity.blob in of_agent:
                pair = of_agent[identity.blob]
                pair = agent.pair(pair.algorithm, pair.public_data, pair.get_comment_bytes() or b"")
                pair.set_certificate(certificate)
                pairs.append(pair)
            elif identity.key is not None:
                pairs += [pair for pair in asyncssh.load_keypairs([(identity.key, certificate)]) if pair.has_cert]
    pairs += [pair for pair in held if pair.public_data in named]
    rest = [pair for pair in held if pair.public_data not in named] if others else []
    files = asyncssh.load_keypairs(
        [identity.key for identity in identities if identity.key is not None and identity.blob not in of_agent]
    )
    return _once_each([*pairs, *files, *rest] if files_first else [*pairs, *rest, *files])


def _once_each(pairs: Iterable[asyncssh.SSHKeyPair]) -> list[asyncssh.SSHKeyPair]:
    """Without repetitions: servers count attempts, and close after six."""
    return list({pair.public_data: pair for pair in reversed(list(pairs))}.values())[::-1]


def _expand(name: str) -> Path:
    return Path(name).expanduser()


def _first_line(file: Path, where: str) -> str:
    data, _ = read_private_file(file, f"the file of {where}")
    try:
        return data.partition(b"\n")[0].rstrip(b"\r").decode()
    except UnicodeDecodeError:
        raise CredentialError(f"{where}, is not UTF-8") from None


async def _from_keyring(service: str, username: str | None, where: str) -> str | None:
    if username is None:
        raise CredentialError(f"{where}, needs a user name", hint="name the user in the target")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise CredentialError(f"{where}, needs the package keyring", hint="pip install 'mooring[keyring]'") from None
    try:
        async with asyncio.timeout(_KEYRING_TIMEOUT):
            found = await asyncio.to_thread(keyring.get_password, service, username)
    except TimeoutError:
        raise CredentialError(f"{where}, was not given within {_KEYRING_TIMEOUT:g} s") from None
    except Exception as error:  # noqa: BLE001 - a keyring's backends raise what they like
        raise CredentialError(f"{where}, cannot be read: {type(error).__name__}") from None
    return found if isinstance(found, str) else None
