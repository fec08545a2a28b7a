"""Script of a region's MLServer process: load the models of a folder and serve them until standard input ends.

The script imports its modules, then reads the folder from the first line of standard input. When the models are loaded,
it prints the port as one line of JSON. Standard input ends when the parent process ends, even if that is killed.
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


def main() -> None:
    """Import MLServer, wait for the path of a folder, and serve its models."""
    # MLServer logs to standard output, which is reserved for the port; its logs are redirected to standard error.
    output = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from mlserver import MLServer, Settings
    from mlserver.repository.factory import ModelRepositoryFactory
    from mlserver_sklearn import SKLearnModel  # noqa: F401 - preloads the runtime of the models

    folder = sys.stdin.readline().strip()
    if not folder:
        return
    threading.Thread(target=_end_with_input, daemon=True).start()

    async def serve() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        settings = Settings(
            debug=False,
            grpc_port=0,  # a free port, because gRPC cannot be disabled
            gzip_enabled=False,
            host="127.0.0.1",
            metrics_endpoint=None,
            model_repository_root=folder,
            parallel_workers=0,
        )
        # MLServer has no public setting for a socket. A free port number could be taken before MLServer binds it.
        settings._custom_rest_server_settings = {"fd": listening.fileno(), "log_level": "warning"}
        server = MLServer(settings)
        models = await ModelRepositoryFactory.resolve_model_repository(settings).list()
        threading.Thread(target=_report, args=(port, output), daemon=True).start()
        await server.start(models)

    asyncio.run(serve())


def _report(port: int, output: int) -> None:
    """Print the port when all models are loaded."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while True:
        try:
            with opener.open(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5):
                os.write(output, json.dumps({"port": port}).encode() + b"\n")
                return
        except OSError:
            time.sleep(0.05)


def _end_with_input() -> None:
    while sys.stdin.readline():
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
