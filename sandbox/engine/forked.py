"""Runs a Python program as `python` would, in a process that the sandbox's fork server has imported much for.

Usage: python -I -S forked.py SOCKET [-P] [-u] [-m MODULE | SCRIPT] ARGUMENTS

It stands for that process: it has its streams, passes signals on, and ends as it ends. Where no server listens it
becomes a Python of its own, which takes longer and does the same. Nothing is imported here that is not needed.
"""

import json
import os
import signal
import socket
import struct
import sys

SECONDS_BETWEEN_LOOKS = 1.0
"""How often it looks whether who started it is still there: an engine that is killed says nothing."""


def main() -> None:
    """Run it and exit with its code."""
    path, arguments = sys.argv[1], sys.argv[2:]
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
        request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
        text = json.dumps(request).encode()
        socket.send_fds(server, [struct.pack("!I", len(text))], [0, 1, 2])
        server.sendall(text)
        begun = server.recv(1)
    except OSError:
        begun = b""
    if not begun:
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - what was asked for, and no shell
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda given, _: server.send(bytes([given])))
    parent = os.getppid()
    server.settimeout(SECONDS_BETWEEN_LOOKS)
    code = b""
    while os.getppid() == parent:
        try:
            code = server.recv(4)
            break
        except TimeoutError:
            continue
    (ended,) = struct.unpack("!i", code) if code else (1,)
    # As a shell tells of a process that a signal ended. Nothing here is worth being taken down in order.
    os._exit(ended if ended >= 0 else 128 - ended)


main()
