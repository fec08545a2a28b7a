"""Asks the model server of its own pod for predictions of which the answer is known.

This file imports nothing of the project: it is a container's command (`python -c`).
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

POLL_SECONDS = 1.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Calls the pod's own loopback, never through a proxy."""


def main() -> None:
    """Wait until the model is loaded, ask, and report. Exits with 1 unless every answer is right."""
    endpoint, model = os.environ["ENDPOINT"], os.environ["MODEL"]
    requests, seconds = int(os.environ["REQUESTS"]), float(os.environ["ANSWER_SECONDS"])
    probe = json.loads(Path(os.environ["PROBE_FILE"]).read_text(encoding="utf-8"))
    ready = f"{endpoint}/v2/models/{model}/ready"
    deadline = time.monotonic() + float(os.environ["READY_SECONDS"])
    while not answers(ready, seconds):
        if time.monotonic() > deadline:
            sys.exit(f"the model {model} is not ready")
        time.sleep(POLL_SECONDS)
    url, body = f"{endpoint}/v2/models/{model}/infer", json.dumps(probe["request"]).encode()
    found = [predict(url, body, seconds) for _ in range(requests)]
    failed = [each for each in found if isinstance(each, str)]
    wrong = [each for each in found if not isinstance(each, str) and each != probe["outputs"]]
    fact = failed[0] if failed else f"predicts {wrong[0]}" if wrong else f"predicts {probe['outputs']}"
    with open(os.environ.get("TERMINATION_LOG", "/dev/termination-log"), "w", encoding="utf-8") as file:
        json.dump({"sent": requests, "failed": len(failed), "wrong": len(wrong), "fact": fact[:300]}, file)
    sys.exit(1 if failed or wrong else 0)


def answers(url: str, seconds: float) -> bool:
    """Return whether a URL is answered with 200."""
    try:
        with DIRECT.open(url, timeout=seconds) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def predict(url: str, body: bytes, seconds: float) -> list[object] | str:
    """Return the outputs of a prediction, or why there are none, as text."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    try:
        with DIRECT.open(request, timeout=seconds) as answer:
            return [each["data"] for each in json.load(answer)["outputs"]]
    except urllib.error.HTTPError as error:
        return f"answered {error.code}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"no prediction: {type(error).__name__}: {error}"


if __name__ == "__main__":
    main()
