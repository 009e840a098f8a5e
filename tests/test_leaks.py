"""The leak check must be able to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

LEAKY = """
import asyncio, os, threading
import pytest
import tests.leaks

tests.leaks.GRACE = 0.1

kept = []

@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"

@pytest.fixture(scope="module")
async def server(anyio_backend):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    serving = asyncio.ensure_future(server.serve_forever())
    yield server.sockets[0].getsockname()
    serving.cancel()
    await asyncio.wait([serving])

@pytest.fixture
async def leaky(anyio_backend):
    kept.append(asyncio.ensure_future(asyncio.sleep(600)))

@pytest.mark.anyio
async def test_task_fails(server):
    kept.append(asyncio.ensure_future(asyncio.sleep(600)))

@pytest.mark.anyio
async def test_task_of_a_fixture_fails(leaky):
    pass

def test_thread_fails():
    threading.Thread(target=threading.Event().wait, name="stray", daemon=True).start()

def test_descriptor_fails():
    kept.append(os.pipe())

@pytest.mark.anyio
async def test_descriptor_on_a_loop_fails():
    kept.append(os.pipe())

@pytest.mark.anyio
async def test_unawaited_failure_fails():
    asyncio.ensure_future(asyncio.sleep(0)).add_done_callback(lambda task: 1 / 0)
    await asyncio.sleep(0.01)

@pytest.mark.anyio
async def test_clean_passes(server):
    await asyncio.to_thread(int)
    reader, writer = await asyncio.open_connection(*server)
    asyncio.ensure_future(asyncio.sleep(0.01))
    writer.close()

def test_clean_without_a_loop_passes(tmp_path):
    thread = threading.Thread(target=int)
    thread.start()
    with open(tmp_path / "file", "w"):
        pass
"""


def test_leaks_are_found(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    pytester.makepyfile(LEAKY)
    result = pytester.runpytest_subprocess("-p", "tests.leaks", "-p", "anyio", "-rfEp")
    result.assert_outcomes(passed=7, failed=1, errors=5)
    result.stdout.fnmatch_lines_random(
        [
            "outlived the test: task <Task pending*sleep()*",
            "outlived the test: thread 'stray'",
            "outlived the test: descriptor * (pipe:*); descriptor * (pipe:*)",
            "ERROR *::test_task_fails *",
            "ERROR *::test_task_of_a_fixture_fails *",
            "ERROR *::test_thread_fails *",
            "ERROR *::test_descriptor_fails *",
            "ERROR *::test_descriptor_on_a_loop_fails *",
            "FAILED *::test_unawaited_failure_fails *",
        ]
    )
    result.stdout.no_fnmatch_line("ERROR *::test_clean_*")
