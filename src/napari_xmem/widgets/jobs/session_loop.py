"""Doing the work of a session in a thread, frame by frame, with what is asked for on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_xmem.errors import SessionError, XMemError
from napari_xmem.widgets.jobs.job_messages import FrameDone, Questions, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_xmem.engine import FrameResult
    from napari_xmem.session import TrackingSession
    from napari_xmem.widgets.jobs.threads import JobControl

__all__ = ["session_frames"]


def session_frames(
    control: JobControl, session: TrackingSession
) -> Generator[FrameDone | Refused | Questions, None, bool]:
    """Do the work of a session to its end; returns True if it came to its end, False if it was stopped.

    Whether it runs or pauses is for the session to say: whoever calls its `pause` and `resume`, this obeys, also in the
    middle of a frame; what is asked for meanwhile has the frame finished first.

    Parameters
    ----------
    control : JobControl
        Stops it, and hands over requests, which are granted between two frames.
    session : TrackingSession
        Its results are kept and written by itself.
    """
    while True:
        for_request = False
        for result in _unpaused(session, control):
            if not control.wait_for_room():
                return False
            now = session.snapshot()
            yield FrameDone(result, now.frames_done, now.frames_total)
            if control.has_request and _state(session) == "running":
                session.pause()
                for_request = True
        if _state(session) != "paused":
            complete = session.snapshot().complete
            if complete:
                yield Questions(len(session.review().queue))
            return complete
        task = session.snapshot().task
        while _state(session) == "paused" and not control.has_request and not control.stopped:
            control.wait_for_news()
        if control.stopped:
            session.cancel()
            return False
        request = control.take_request()
        if request is not None:
            refused = _grant(request)
            if refused is not None:
                yield Refused(refused)
            if for_request and _state(session) == "paused":
                session.resume()
        elif _state(session) != "running" or session.snapshot().task != task:
            return False  # somebody else took the session up


def _state(session: TrackingSession) -> str:
    return session.state.value


def _unpaused(session: TrackingSession, control: JobControl) -> Iterator[FrameResult]:
    """Iterate over the frames of a session until it ends, or somebody wants something of it while it pauses."""

    def stays() -> bool:
        if control.stopped:
            session.cancel()
        return not (control.has_request or control.stopped)

    try:
        yield from session.frames(wait=False, stay=stays)
    except SessionError:
        if _state(session) != "paused":  # paused before the first frame
            raise


def _grant(request: Callable[[], Any]) -> XMemError | None:
    try:
        request()
    except XMemError as error:
        return error
    return None
