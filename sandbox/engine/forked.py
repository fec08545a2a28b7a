"""Runs a Python program as `python` would, in a fork of the sandbox's fork server.

Usage: python -I -S forked.py SOCKET [-P] [-u] [-m MODULE | SCRIPT] ARGUMENTS

It stands for that process: it passes its streams and signals on and ends with its exit code. Where no server listens it
becomes a Python of its own, which does the same more slowly. It imports as little as possible.
"""

import json
import os
import signal
import socket
import struct
import sys

SECONDS_BETWEEN_CHECKS = 1.0
"""Interval of the check that the parent still runs: a killed engine sends no signal."""


def main() -> None:
    """Run the program and exit with its code."""
    path, arguments = sys.argv[1], sys.argv[2:]
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(path)
        request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
        text = json.dumps(request).encode()
        socket.send_fds(server, [struct.pack("!I", len(text))], [0, 1, 2])
        server.sendall(text)
        accepted = server.recv(1)
    except OSError:
        accepted = b""
    if not accepted:
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - the caller's own command, without a shell
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    parent = os.getppid()
    server.settimeout(SECONDS_BETWEEN_CHECKS)
    code = b""
    while os.getppid() == parent:
        try:
            code = server.recv(4)
            break
        except TimeoutError:
            continue
    (ended,) = struct.unpack("!i", code) if code else (1,)
    # 128 and the signal's number, as a shell reports it. _exit: there is nothing to clean up.
    os._exit(ended if ended >= 0 else 128 - ended)


main()
