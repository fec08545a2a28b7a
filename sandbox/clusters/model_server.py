"""One MLServer, for a whole region's pods: run as a script, it loads what a folder holds and serves until its input
ends.

The first line of its standard input names the folder; until then it only gets ready. It prints one line of JSON, the
port, once the models are loaded. Standard input ends with the process that started it, killed in whatever way.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
import urllib.request

READY_SECONDS = 120.0


def main() -> None:
    """Import what takes long, wait for a folder, serve it."""
    # MLServer logs to standard output, which is for the port alone.
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from mlserver import MLServer, Settings
    from mlserver.repository.factory import ModelRepositoryFactory
    from mlserver_sklearn import SKLearnModel  # noqa: F401 - what models of this topology are loaded with

    folder = sys.stdin.readline().strip()
    if not folder:
        return
    threading.Thread(target=_end_with_input, daemon=True).start()

    async def serve() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        settings = Settings(
            debug=False,
            grpc_port=0,  # there is no way to have none
            gzip_enabled=False,
            host="127.0.0.1",
            metrics_endpoint=None,
            model_repository_root=folder,
            parallel_workers=0,
        )
        # The only way to give it a socket; a port found free before may be another's by then.
        settings._custom_rest_server_settings = {"fd": listening.fileno(), "log_level": "warning"}
        server = MLServer(settings)
        models = await ModelRepositoryFactory.resolve_model_repository(settings).list()
        threading.Thread(target=_tell, args=(port, told), daemon=True).start()
        await server.start(models)

    asyncio.run(serve())


def _tell(port: int, told: int) -> None:
    """Print the port once every model is loaded."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with opener.open(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                os.write(told, json.dumps({"port": port}).encode() + b"\n")
                return
        except OSError:
            time.sleep(0.05)


def _end_with_input() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
