"""The promise that no test waits for ever, as a pytest plugin: not even one that fails, on its way out.

pytest-timeout rings once, and not at all once a test has failed. What ``finally`` and fixtures then wait for in vain
would be waited for until the whole run is given up.
"""

from __future__ import annotations

import signal
from collections.abc import Generator

import pytest
from pytest_timeout import Settings

TEARDOWN = 60.0
"""Seconds that the fixtures of a test that failed may take to end."""
AGAIN = 30.0
"""Seconds after which what still waits is interrupted too."""


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    """Have the clock ring again."""
    done = yield
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    if left:
        signal.setitimer(signal.ITIMER_REAL, left, AGAIN)
    return done


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Wind the clock up where a failure has stopped it."""
    stopped = hasattr(item, "cancel_timeout") and not signal.getitimer(signal.ITIMER_REAL)[0]
    if stopped:
        settings = Settings(TEARDOWN, "signal", func_only=False, disable_debugger_detection=False)
        item.config.hook.pytest_timeout_set_timer(item=item, settings=settings)
    yield
