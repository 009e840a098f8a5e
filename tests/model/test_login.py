"""The login that a masked DSN means."""

from __future__ import annotations

import pytest
from hypothesis import given

from mooring.model.login import Login, login
from mooring.model.secret import MASK
from mooring.model.target import Target

from .strategies import TARGET


@given(TARGET)
def test_it_is_the_targets(target: Target) -> None:
    secret = target.password is not None or target.password_from is not None
    assert login(target.dsn(), "me") == Login(
        target.username or "me", MASK if secret else None, target.host, target.port or 22
    )


@pytest.mark.parametrize("text", ["", "host", "a://b:c", "a://b?x\n"])
def test_what_no_target_writes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no DSN"):
        login(text, "me")
