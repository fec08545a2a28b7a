"""The address at which programs reach an API server: a relay on loopback that can refuse connections.

On AWS, an API server answers on an endpoint that admits some callers only. Here all callers have the same address, so
the emulator writes into a file whether they are admitted. A refused connection is reset at once; on AWS it gets no
answer, and the caller's time limit ends it. Standard library only, so that the process starts within milliseconds.

Usage: door.py PORT API_PORT FILE
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from pathlib import Path

OPEN, CLOSED = "open", "closed"
CHUNK_BYTES = 1 << 16


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _serve(port: int, api: int, file: Path) -> None:
    async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if file.exists() and file.read_text() == CLOSED:
            # Lingering for 0 s resets the connection instead of ending it politely.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", api)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, onward), _copy(there, writer))

    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("127.0.0.1", port))
    server = await asyncio.start_server(admit, sock=listening, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
