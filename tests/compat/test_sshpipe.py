"""sshpipe's documented programs and contracts, at a real sshd."""

from __future__ import annotations

import ast
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mooring.compat import sshpipe
from mooring.compat.sshpipe import SSHPipe, SSHPipeClient, SSHPipeHandler, SSHTunnel

from .conftest import Far

USAGE = """
import os
import multiprocessing as mp
{imported}

def run():
    agent_dir = '{folder}'
    agentpy = os.path.join(agent_dir, "sshremotehandler.py")
    host = 'ubuntud01_eventor' # SSH config host name of remote server.

    sshagent = SSHPipe(host, agentpy)
    sshagent.start()

    if not sshagent.is_alive():
        print("Agent not alive", sshagent.response())
        exit(1)

    sshagent.send("This is life.\\n")
    sshagent.send("This is also life.\\n")
    sshagent.send("This is yet another life.\\n")
    sshagent.send("That is all, life.\\n")
    sshagent.send("TERM")

    if not sshagent.is_alive():
        print(sshagent.response())
        exit()

    response = sshagent.close()
    if response:
        exitcode, stdout, stderr = response
    print('Response: ', response)

if __name__ == '__main__':
    mp.set_start_method('spawn')
    run()
"""
HANDLER = """
import logging
from mooring.compat.sshpipe import SSHPipeHandler

module_logger = logging.getLogger(__file__)

class MySSHPipeHandler(SSHPipeHandler):

    def __init__(self, *args, **kwargs):
        super(MySSHPipeHandler, self).__init__(*args, **kwargs)
        self.file = None

    def atstart(self, received):
        file = "{}{}".format(__file__, ".remote.log")
        self.module_logger.debug("Opening file: {}.".format(file))
        self.file = open(file, 'w')

    def atexit(self, received):
        if self.file is not None:
            self.file.close()
        super(MySSHPipeHandler, self).atexit(received)

    def handle(self, received):
        self.file.write(str(received))

if __name__ == '__main__':
    client = MySSHPipeHandler()
    client.service_loop()
"""
FAILING = """
import sys
from mooring.compat.sshpipe import SSHPipeHandler

class Failing(SSHPipeHandler):
    def atstart(self, received):
        self.seen = []
        if received == "atstart":
            raise ValueError("in atstart")

    def handle(self, received):
        self.seen.append(received)
        if received == "handle":
            raise ValueError("in handle")
        if received == "print":
            print("printed")

    def atexit(self, received):
        if received == "EXIT":
            raise ValueError("in atexit")
        print(received, len(getattr(self, "seen", [])))

Failing(*sys.argv[1:2], tolerance=int(sys.argv[2]) if sys.argv[2:] else 0).service_loop()
"""


def pipe(far: Far, text: str = FAILING, *words: str, **keywords: object) -> SSHPipe:
    command = " ".join(["python3", far.write("handler.py", text), *words])
    return SSHPipe("host", command, config=str(far.config), **keywords)  # type: ignore[arg-type]


def test_the_readme_runs_as_written(far: Far, tmp_path: Path) -> None:
    far.write("sshremotehandler.py", HANDLER)
    imported = (
        "import functools, mooring.compat.sshpipe\n"
        f"SSHPipe = functools.partial(mooring.compat.sshpipe.SSHPipe, config={str(far.config)!r})"
    )
    program = tmp_path / "usage.py"
    program.write_text(USAGE.format(imported=imported, folder=far.folder))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Response:  (0, 'TERM', '')\n"
    assert (far.folder / "sshremotehandler.py.remote.log").read_text() == (
        "This is life.\nThis is also life.\nThis is yet another life.\nThat is all, life.\n"
    )


def test_a_handler_that_is_stuck_is_ended(far: Far) -> None:
    stuck = FAILING.replace("self.seen.append(received)", "__import__('time').sleep(600)")
    with pipe(far, stuck) as one:
        one.send("x")
        response = one.close(timeout=0.5)
        assert response is not None
        assert response[0] != 0
    with pytest.raises(KeyError), pipe(far, stuck) as one:  # noqa: PT012 - it leaves the inner block
        one.send("x")
        raise KeyError
    assert not one.is_alive()


def test_a_failed_start_is_called_back_in_another_thread(far: Far) -> None:
    told: list[tuple[int, threading.Thread]] = []
    one = pipe(far, FAILING, callback=lambda status, *_: told.append((status, threading.current_thread())))
    one.command = "/nowhere"
    one.start()
    one.join()
    assert [status for status, _ in told] == [127]
    assert told[0][1] is not threading.current_thread()


def test_the_first_message_is_seen_before_the_end(far: Far) -> None:
    with pipe(
        far, HANDLER.replace("self.file.write(str(received))", "self.file.write(received); self.file.flush()")
    ) as one:
        one.send("now")
        log = far.folder / "handler.py.remote.log"
        deadline = time.monotonic() + 30
        while not (log.exists() and log.read_text() == "now") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert log.read_text() == "now"
        assert one.is_alive()


@pytest.mark.parametrize(
    ("messages", "words", "response"),
    [
        (["atstart"], [], (2, "TERM", "ValueError: in atstart")),
        (["x", "handle"], [], (3, "TERM", "ValueError: in handle")),
        (["x", "EXIT"], [], (4, "TERM", "ValueError: in atexit")),
        (["x", "handle", "y", "STOP"], ["id", "1"], (0, "STOP 3", "")),
        (["x", "handle", "handle"], ["id", "1"], (3, "TERM", "ValueError: in handle")),
        (["handle", "handle", "handle"], ["id", "-1"], (0, "TERM 3", "")),
        (["print", "QUIT"], [], (0, "printed\nQUIT 1", "")),
        ([], [], (0, "TERM 0", "")),
        (["FINISH"], [], (0, "FINISH 0", "")),
    ],
)
def test_exit_codes_and_tolerance(
    far: Far, messages: list[str], words: list[str], response: tuple[int, str, str]
) -> None:
    one = pipe(far, FAILING, *words)
    one.start()
    assert one.is_alive()
    assert one.response(timeout=0.01) is None
    for message in messages:
        one.send(message)
    assert one.close() == response
    assert one.close() == one.response() == response
    assert not one.is_alive()


def test_a_message_to_end_with(far: Far) -> None:
    one = pipe(far)
    one.start()
    assert one.close("STOP") == (0, "STOP 0", "")


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("/no/such/handler.py", 2, "can't open file '/no/such/handler.py'"),
        (["python9", "x.py"], 127, "python9: not found"),
    ],
)
def test_what_does_not_start(far: Far, command: str | list[str], status: int, said: str) -> None:
    one = SSHPipe("host", command, config=str(far.config))
    one.start()
    assert not one.is_alive()
    response = one.response()
    assert response is not None
    assert (response[0], response[1]) == (status, "TERM")
    assert said in response[2]
    assert one.close() == response


def test_a_host_that_is_not_there(far: Far) -> None:
    far.sshd.stop()
    one = SSHPipe("host", "true", config=str(far.config))
    one.start()
    assert not one.is_alive()
    response = one.response()
    assert response is not None
    assert response[0] == 255
    assert "cannot reach" in response[2]


def test_a_pipe_that_was_never_started(far: Far) -> None:
    one = pipe(far)
    assert (one.is_alive(), one.response(), one.close()) == (False, None, None)
    one.join()
    with pytest.raises(sshpipe_error(), match="has not been started"):
        one.send("x")


def sshpipe_error() -> type[Exception]:
    from mooring import PipeClosed  # noqa: PLC0415 - the one place that needs it

    return PipeClosed


def test_the_callback_gets_the_response(far: Far) -> None:
    told: queue.Queue[tuple[int, str, str]] = queue.Queue()
    one = pipe(far, FAILING, callback=lambda *response: told.put(response))
    one.start()
    one.send("print")
    response = one.close()
    assert told.get(timeout=30) == response == (0, "printed\nTERM 1", "")
    one.join(30)


def test_the_login_by_keyword(far: Far) -> None:
    text = far.config.read_text().replace(f"  User {far.sshd.user}\n", "  User nobody-at-all\n")
    far.config.write_text(text)
    one = pipe(far, user=far.sshd.user)
    one.start()
    assert one.close() == (0, "TERM 0", "")


def test_what_a_handler_logs_comes_home(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    name = f"my-handler-{os.getpid()}"  # nobody else's files are in the way
    logger = logging.getLogger("mine")
    logger.setLevel(logging.DEBUG)
    text = (
        "from mooring.compat.sshpipe import SSHPipeHandler\n"
        "class H(SSHPipeHandler):\n"
        "    def handle(self, received): self.mlogger.info('got %s', received)\n"
        f"h = H('{name}')\nh.mlogger.warning('early')\nh.service_loop()\n"
    )
    with pipe(far, text, logger=logger) as one:
        one.send("ü")
        assert one.close() == (0, "TERM", "")
    found = [(record.name, record.levelname, record.getMessage()) for record in caplog.records if record.name == name]
    assert (name, "WARNING", "early") in found
    assert (name, "INFO", "got ü") in found
    assert not list(Path("/tmp").glob(f"{name}*"))


def test_messages_of_other_kinds(far: Far) -> None:
    text = (
        "from mooring.compat.sshpipe import SSHPipeHandler\n"
        "class H(SSHPipeHandler):\n    def handle(self, received): print(repr(received))\n"
        "H(unpack={unpack}).service_loop()\n"
    )
    with pipe(far, text.format(unpack=True)) as one:
        one.send({"a": [1, None]})
        one.send(b"\xff", pack=False)
        one.send("ü")
        assert one.close() == (0, "{'a': [1, None]}\nb'\\xff'\n'ü'\nTERM", "")
    with pipe(far, text.format(unpack=False)) as one:
        one.send("ü")
        one.send({"a": [1, None]})
        one.send(b"raw", pack=False)
        assert one.close() == (0, "b'\\xc3\\xbc'\nb'{\"a\":[1,null]}'\nb'raw'\nTERM", "")
    assert one.prepare("ab") == b"\0\0\0\2\3\1\0\0\0\0ab"
    assert one.prepare(b"ab", pack=False) == b"\0\0\0\2\3\0\0\0\0\0ab"
    with pytest.raises(ValueError, match="must be packed"):
        one.prepare("text", pack=False)


def test_callables_where_both_ends_have_pickle(far: Far) -> None:
    text = "from mooring.compat.sshpipe import SSHPipeCallableHandler\nSSHPipeCallableHandler().service_loop()\n"
    one = pipe(far, text, codec="pickle")
    one.start()
    one.send(print)
    assert one.close() == (0, "\nTERM", "")
    one = pipe(far, text, codec="pickle")
    one.start()
    one.send("nonsense")
    assert one.response() == (2, "TERM", "unknown message 'nonsense'")
    refused = pipe(far, text)
    refused.start()
    assert not refused.is_alive()


def test_the_tunnel(far: Far) -> None:
    tunnel = SSHTunnel("host", "python3 " + far.write("h.py", FAILING), config=str(far.config))
    with pytest.raises(RuntimeError, match=r"Attempted send\(\) without starting the tunnel\."):
        tunnel.send("x")
    assert tunnel.start() is tunnel
    assert tunnel.is_alive()
    assert isinstance(tunnel.pid(), int)
    with pytest.raises(RuntimeError, match=r"Attempted response\(\) without closing the tunnel\."):
        tunnel.response()
    tunnel.send("print")
    tunnel.close()
    assert tunnel.response() == (0, "printed\nTERM 1", "")
    with pytest.raises(RuntimeError, match=r"SSHAgent is not alive\."):
        SSHTunnel("host", "python9", config=str(far.config)).start()


def test_the_listeners(far: Far) -> None:
    text = (
        "import queue, threading\nfrom mooring.compat.sshpipe import pipe_listener_forever\n"
        "q = queue.Queue()\npipe_listener_forever(q, threading.Event(), ['TERM'], {unpack})\n"
        "while not q.empty(): print(q.get())\n"
    )
    with pipe(far, text.format(unpack=True)) as one:
        one.send(["a", 1])
        assert one.close() == (0, "(['a', 1], '')\n('TERM', '')", "")


def test_one_message_at_a_time(far: Far) -> None:
    text = (
        "import queue\nfrom mooring.compat.sshpipe import pipe_listener\nq = queue.Queue()\n"
        "while True:\n    more = pipe_listener(q, ['TERM'])\n    print(q.get(), more)\n    if not more: break\n"
    )
    with pipe(far, text) as one:
        one.send("ab")
        one.send(b"\xff")
        one.send([1])
        said = "(b'ab', '') True\n(b'\\xff', '') True\n(b'[1]', '') True\n('TERM', '') False"
        assert one.close() == (0, said, "")


def test_classes_are_imported_where_they_are_named(far: Far) -> None:
    types = far.write("shapes.py", "class Shape:\n    sides = 3\n")
    text = (
        "from mooring.compat.sshpipe import SSHPipeHandler\n"
        "class H(SSHPipeHandler):\n    def handle(self, received):\n"
        "        import sys\n        print(sys.modules['shapes'].Shape.sides)\n"
        f"H(imports='{types}:shapes').service_loop()\n"
    )
    with pipe(far, text) as one:
        one.send("x")
        assert one.close() == (0, "3\nTERM", "")
    refused = pipe(far, text.replace(":shapes'", ":no_such_module'"))
    refused.start()
    assert not refused.is_alive()
    response = refused.response()
    assert response is not None
    assert response[0] == 1
    assert "No module named 'no_such_module'" in response[2]


def test_a_log_file_of_this_process(tmp_path: Path) -> None:
    logger = sshpipe.set_logger("mine.log", str(tmp_path))
    handler = logger.handlers[-1]
    try:
        logger.warning("grüße")
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert (tmp_path / "mine.log").read_text("utf-8") == "grüße\n"


def test_ssh_configurations(tmp_path: Path) -> None:
    text = "# mine\nHost web1 web2\n\tUser = deploy\n\nHost *\n  Port 2222\n"
    config = sshpipe.loads(text)
    assert isinstance(config, sshpipe.SSHConfig)
    assert (config.get("web1", "User"), config.get("web3", "user", "none"), config.get("web3", "port")) == (
        "deploy", "none", "2222",
    )  # fmt: skip
    place = tmp_path / "new" / "config"
    sshpipe.dump(config, place, create_dirs=True)
    assert sshpipe.dumps(sshpipe.load(place)) == text
    place.write_text("Host x\n  Port many\n")
    with pytest.raises(sshpipe.SSHConfigError, match=r"config:2: port"):
        sshpipe.load(place).get("x", "Port")
    with pytest.raises(sshpipe.SSHConfigError, match="cannot be read"):
        sshpipe.load(tmp_path / "nothing")


def test_no_signal_handler_is_installed(far: Far) -> None:
    import signal  # noqa: PLC0415 - only here

    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    with pipe(far):
        assert {number: signal.getsignal(number) for number in before} == before
    assert threading.active_count() < 20


def test_names() -> None:
    assert SSHPipeClient is SSHPipeHandler
    assert sshpipe.EXIT_MESSAGE == "TERM"
    for name in sshpipe.__all__:
        assert getattr(sshpipe, name) is not None
    with pytest.raises(AttributeError):
        sshpipe.SSHChain  # type: ignore[attr-defined]  # noqa: B018


def test_a_handler_imports_the_standard_library_alone(library: Path) -> None:
    code = (
        "import sys; from mooring.compat.sshpipe import SSHPipeHandler; print(*{n.split('.')[0] for n in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(library)}, capture_output=True, text=True,
        timeout=30, check=True,
    )  # fmt: skip
    assert set(done.stdout.split()) - {"mooring", "__main__"} <= sys.stdlib_module_names


@pytest.mark.parametrize("file", ["__init__.py", "compat/__init__.py", "compat/sshpipe/__init__.py",
                                  "compat/sshpipe/handler.py"])  # fmt: skip
def test_what_a_handler_imports_is_python_3_8(library: Path, file: str) -> None:
    ast.parse((library / "mooring" / file).read_text("utf-8"), feature_version=(3, 8))
