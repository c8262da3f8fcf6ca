"""How many connections the server holds, and for how long each of them may keep it waiting."""

import asyncio
import math
import os
import resource
from typing import Optional, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ppcls.serve.limits import Limits

# Of the connections that there may be, how many times as many as are accepted at once.
_BURSTS = 3
# Files that libraries, the event loop, and a model that is started again may open.
_SPARE_FILES = 16


def make_server(app: ASGIApp, limits: Limits) -> uvicorn.Server:
    """Return the HTTP server of an application; its `run(sockets=[...])` serves."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http=Connection,
            ws="none",
            # A warning for each malformed request would let its clients fill the disk.
            log_level="error",
            access_log=False,
            server_header=False,
            backlog=_backlog(),
            timeout_keep_alive=math.ceil(limits.seconds),
            timeout_graceful_shutdown=math.ceil(limits.seconds) + 1,
        )
    )


def _backlog() -> int:
    """Return how many connections are accepted at once: so many that this process never runs out of files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = limit - len(os.listdir("/dev/fd")) - _SPARE_FILES
    # One burst may be accepted, another made, and a third closed while all connections are there.
    return min(512, max(4, free // (_BURSTS + 3))) if limit != resource.RLIM_INFINITY else 512


class Connection(H11Protocol):
    """A connection that is closed when its client lets the server wait for `timeout_keep_alive` seconds.

    That is for the head of a request, for the rest of a body that is already answered, or to take an answer. Where
    there are too many connections, the one that has waited longest makes room.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio reads 256 KiB at once; as chunks of one byte, those would keep the event loop busy for a second.
        transport.max_size = 8 << 10  # type: ignore[attr-defined]
        super().connection_made(transport)  # type: ignore[arg-type]
        self._timer = self._start_timer()
        if len(self.connections) > _BURSTS * self.config.backlog:
            longest = min(cast("set[Connection]", self.connections), key=lambda connection: connection.waits_until)
            self.connections.discard(longest)
            longest.transport.abort()

    def connection_lost(self, exc: Optional[Exception]) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._restart_timer()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._restart_timer()
        super().pause_writing()

    @property
    def waits_until(self) -> float:
        """When it is closed unless its client does something; infinity while the client waits for the server."""
        waits = self.cycle is None or self.cycle.response_complete or self.flow.write_paused
        return self._timer.when() if waits else math.inf

    def _restart_timer(self) -> None:
        self._timer.cancel()
        self._timer = self._start_timer()

    def _start_timer(self) -> asyncio.TimerHandle:
        return self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def _give_up(self) -> None:
        if self.waits_until < math.inf:
            self.transport.abort()
