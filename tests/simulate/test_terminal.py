"""What a simulated device says on a terminal and over SCP."""

from __future__ import annotations

from mooring.simulate.terminal import Terminal, program


def test_command_line_and_shell() -> None:
    terminal = Terminal("admin@r1", {"show version": "Junos: 1\n"}.get, {"a": b"content\n"})
    assert terminal.begin() == b"admin@r1> "
    assert terminal.feed(b"show ver") == b""
    assert terminal.feed(b"sion\r\n") == b"show version\r\nJunos: 1\r\nadmin@r1> "
    assert terminal.feed(b"what\n\n") == b"what\r\nunknown command.\r\nadmin@r1> \r\nadmin@r1> "
    assert terminal.feed(b"start shell csh\n") == b"start shell csh\r\n% "
    assert terminal.feed(b"cat a\n") == b"cat a\r\ncontent\r\n% "
    assert terminal.feed(b"cat b\necho $?\n").endswith(b"echo $?\r\n1\r\n% ")
    assert terminal.feed(b"'\n") == b"'\r\n': Command not found.\r\n% "
    assert terminal.feed(b"ls\n") == b"ls\r\na\r\n% "
    assert terminal.feed(b"exit\nexit\nls\n") == b"exit\r\nadmin@r1> exit\r\n"
    assert terminal.status == 0


def test_scp() -> None:
    files: dict[str, bytes] = {}
    sink = program("scp -v -t /var/tmp/", files)
    assert sink is not None
    assert sink.begin() == b"\0"
    assert sink.feed(b"T1 0 1 0\nC0644 3 a b\nxy") == b"\0\0"
    assert sink.feed(b"z\0") == b"\0"
    assert files == {"/var/tmp/a b": b"xyz"}
    source = program("scp -f '/var/tmp/a b'", files)
    assert source is not None
    assert source.begin() == b""
    assert source.feed(b"\0") == b"C0644 3 a b\n"
    assert source.feed(b"\0") == b"xyz\0"
    assert (source.status, source.feed(b"\0"), source.status) == (None, b"", 0)
    nothing = program("scp -f nothing", files)
    assert nothing is not None
    assert b"No such file" in nothing.feed(b"\0")
    assert nothing.status == 1


def test_what_is_no_program() -> None:
    assert program("show version", {}) is None
    assert program("scp -t", {}) is None
    assert program("scp 'x", {}) is None
    assert program("scp -r a", {}) is None
