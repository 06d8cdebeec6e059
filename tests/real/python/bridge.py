"""A WebSocket as the byte stream that pycapnp speaks over.

pycapnp knows sockets, not WebSockets, so the client stands at one end of a socket pair and two tasks carry bytes between
the other end and a WebSocket of the `websockets` package. What the tasks forward need not be whole messages: a host must
read a stream. `cut` makes that sure, by cutting at odd places and by putting several messages into one.
"""

import asyncio
import contextlib
import itertools
import socket

import capnp
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

SUBPROTOCOL = "capshare.1"
# One byte, less than a word, more than one, and then pieces that never end where a message does.
ODD_SIZES = (1, 3, 7, 8, 13, 61, 509, 4093, 65521)


class Connection(ClientConnection):
    """Counts the pings that the host sends; answering them is the base class's work."""

    pings = 0

    def process_event(self, event):
        if isinstance(event, Frame) and event.opcode is Opcode.PING:
            self.pings += 1
        super().process_event(event)


class Link:
    """One connection to a host: `rpc` is its ShareRpc, `ws` the WebSocket below."""

    def __init__(self, rpc, ws, tasks):
        self.rpc = rpc
        self.ws = ws
        self._tasks = tasks

    def cut(self):
        """Drops TCP at once: no Close frame, and with unread data a reset."""
        for task in self._tasks:
            task.cancel()
        self.ws.transport.abort()


@contextlib.asynccontextmanager
async def dial(schema, url, *, token=None, subprotocol=True, ping_interval=20, cut=False):
    """Connects, and closes when the block ends. `token` goes into the header of the upgrade."""
    ws = await connect(
        url,
        additional_headers={"Authorization": f"Bearer {token}"} if token else None,
        subprotocols=[SUBPROTOCOL] if subprotocol else None,
        ping_interval=ping_interval,
        max_size=None,
        create_connection=Connection,
    )
    assert ws.subprotocol == (SUBPROTOCOL if subprotocol else None), ws.subprotocol
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=far)
    tasks = [asyncio.create_task(_send(reader, ws, cut)), asyncio.create_task(_receive(ws, writer, cut))]
    stream = await capnp.AsyncIoStream.create_connection(sock=near)
    client = capnp.TwoPartyClient(stream)
    try:
        yield Link(client.bootstrap().cast_as(schema.ShareRpc), ws, tasks)
    finally:
        client.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        await ws.close()


async def _send(reader, ws, cut):
    sizes = itertools.cycle(ODD_SIZES) if cut else itertools.repeat(1 << 16)
    with contextlib.suppress(Exception):  # the host left: pycapnp learns it from `_receive`
        while data := await reader.read(next(sizes)):
            await ws.send(data)


async def _receive(ws, writer, cut):
    sizes = itertools.cycle(ODD_SIZES)
    try:
        async for message in ws:
            assert isinstance(message, bytes), "the host sent a text frame"
            while message:
                size = next(sizes) if cut else len(message)
                writer.write(message[:size])
                await writer.drain()
                message = message[size:]
    except Exception:
        pass  # the connection broke: the end of the stream says so
    finally:
        writer.close()
