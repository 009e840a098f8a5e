"""What a configuration says about one host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HostConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """The settings of ssh_config(5) for one host, expanded; None or empty where nothing is set.

    ssh's own defaults are left to the caller, so that it can put its own between the two.

    Attributes:
        hostname: Where to connect: the name looked up, as HostName and canonicalisation make it; always set.
        user: Login name at the host, the argument of the lookup included.
        port: TCP port, the argument of the lookup included.
        identity_files: Paths of private keys, in the order to try them; without ``none``.
        default_identities: Whether ssh would try ``~/.ssh/id_*``: no IdentityFile line applied, not even ``none``.
        identities_only: Whether of the agent's keys only those of ``identity_files`` are offered.
        certificate_files: Paths of certificates.
        identity_agent: The agent's socket; ``none`` for no agent, ``SSH_AUTH_SOCK`` for that variable's socket. A
            ``$NAME`` is replaced; where NAME is unset, there is no agent: ``none``.
        proxy_jump: Hosts to pass through, in order, each ``[user@]host[:port]``.
        proxy_command: A shell command whose standard input and output are the connection.
        user_known_hosts_files: Empty for ``none``.
        global_known_hosts_files: Empty for ``none``.
        strict_host_key_checking: ``yes``, ``no``, ``ask`` or ``accept-new``; ``off`` reads as ``no``.
        host_key_alias: The name to look for in known hosts files.
        check_host_ip: Whether the address is looked for there, too.
        hash_known_hosts: Whether names are hashed when they are added.
        update_host_keys: ``yes``, ``no`` or ``ask``.
        connect_timeout: Seconds.
        server_alive_interval: Seconds; 0 for never.
        server_alive_count_max: How many may go unanswered.
        tcp_keep_alive: Whether TCP sends keepalives.
        bind_address: Local address to connect from.
        address_family: ``any``, ``inet`` or ``inet6``.
        compression: Whether to compress.
        preferred_authentications: Methods in order.
        pubkey_authentication: Whether keys are offered.
        password_authentication: Whether passwords are sent.
        kbd_interactive_authentication: Whether questions are answered.
        ciphers: As written, with its ``+``, ``-`` or ``^``; so the next ones.
        macs: See ``ciphers``.
        kex_algorithms: See ``ciphers``.
        host_key_algorithms: See ``ciphers``.
        pubkey_accepted_algorithms: See ``ciphers``.
        ca_signature_algorithms: See ``ciphers``.
        required_rsa_size: Bits below which an RSA key, the host's or ours, is refused.
        send_env: Patterns of variables to send.
        set_env: Variables to send.
        forward_agent: Whether the agent is forwarded; a path (or ``$NAME``, as it stands) for another agent's socket.
        request_tty: ``yes``, ``no``, ``force`` or ``auto``.
        remote_command: What to run in place of a shell.
        connection_attempts: How often to try, once a second.
        log_level: In upper case.
        other: Known keywords, in lower case, that mean nothing to us, with their arguments.
        origin: Field or ``other`` keyword to the ``file:line`` that set it; the first, where there are several.
    """

    hostname: str
    user: str | None = None
    port: int | None = None
    identity_files: tuple[str, ...] = ()
    default_identities: bool = True
    identities_only: bool | None = None
    certificate_files: tuple[str, ...] = ()
    identity_agent: str | None = None
    proxy_jump: tuple[str, ...] = ()
    proxy_command: str | None = None
    user_known_hosts_files: tuple[str, ...] | None = None
    global_known_hosts_files: tuple[str, ...] | None = None
    strict_host_key_checking: str | None = None
    host_key_alias: str | None = None
    check_host_ip: bool | None = None
    hash_known_hosts: bool | None = None
    update_host_keys: str | None = None
    connect_timeout: float | None = None
    server_alive_interval: float | None = None
    server_alive_count_max: int | None = None
    tcp_keep_alive: bool | None = None
    bind_address: str | None = None
    address_family: str | None = None
    compression: bool | None = None
    preferred_authentications: tuple[str, ...] | None = None
    pubkey_authentication: bool | None = None
    password_authentication: bool | None = None
    kbd_interactive_authentication: bool | None = None
    ciphers: str | None = None
    macs: str | None = None
    kex_algorithms: str | None = None
    host_key_algorithms: str | None = None
    pubkey_accepted_algorithms: str | None = None
    ca_signature_algorithms: str | None = None
    required_rsa_size: int | None = None
    send_env: tuple[str, ...] = ()
    set_env: Mapping[str, str] = field(default_factory=dict)
    forward_agent: bool | str | None = None
    request_tty: str | None = None
    remote_command: str | None = None
    connection_attempts: int | None = None
    log_level: str | None = None
    other: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
