"""``/v1/recordings``: what terminals showed, to be played again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, delete, get

from ..model.access import Actor  # noqa: TC001 - Litestar reads annotations
from ..model.errors import InvalidInput, StateError, UnknownRecording
from ..model.recording import Recording
from .answers import Answer, Stream, value
from .openapi import described
from .problems import refusal

if TYPE_CHECKING:
    from ..service.fleet import Fleet

__all__ = ["HANDLERS"]

_CAST: Final = "application/x-asciicast"


class RecordingList(msgspec.Struct):
    """Recordings, the oldest first; those that go on too."""

    recordings: list[Recording]


@get("/v1/recordings", opt=described(answer=RecordingList, problems=(StateError,)))
async def list_recordings(request: Request[Actor, Any, Any]) -> Answer:
    """List the recordings of terminals. It takes `admin` on all."""
    fleet: Fleet = request.app.state.fleet
    return value(RecordingList(fleet.recordings.list(request.user)))


@get(
    "/v1/recordings/{id:str}",
    opt=described(answer=str, media_type=_CAST, problems=(UnknownRecording, StateError)),
)
async def read_recording(request: Request[Actor, Any, Any]) -> Stream:
    """Read a recording as asciicast, version 3; one that goes on as far as it goes now.

    What was shown may hold whatever that user may see; control sequences in it are as the far side sent them.
    """
    fleet: Fleet = request.app.state.fleet
    recording_id: str = request.path_params["id"]
    parts = fleet.recordings.read(request.user, recording_id)
    headers = [(b"content-disposition", b"attachment"), (b"x-content-type-options", b"nosniff")]
    return Stream(request, _CAST.encode(), parts, None, refusal, headers=headers)


@delete(
    "/v1/recordings/{id:str}",
    status_code=200,
    opt=described(answer=Recording, problems=(UnknownRecording, InvalidInput, StateError)),
)
async def remove_recording(request: Request[Actor, Any, Any]) -> Answer:
    """Let a recording go before its time; not one that goes on. The answer tells what it was."""
    fleet: Fleet = request.app.state.fleet
    return value(await fleet.recordings.remove(request.user, request.path_params["id"]))


HANDLERS: Final = [list_recordings, read_recording, remove_recording]
