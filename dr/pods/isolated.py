"""Waits until a pod reaches its own region's S3, and none of the hosts that a lost region would take with it.

A network plugin applies the policies of a new pod some moments after its start (Amazon VPC CNI, "Network policy
enforcement mode": in mode `standard` a pod starts with everything allowed), so one look is not enough.

This file imports nothing of the project: it is a container's command (`python -c`).
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

LIMIT_SECONDS, ROUND_SECONDS, ANSWER_SECONDS = 120.0, 1.0, 3.0
ROUNDS = 2
"""Looks in succession with the same result."""


def main() -> None:
    """Look until only the own region is reached. Exits with 1 after the time limit."""
    own, others = os.environ["REACHED"], os.environ["UNREACHED"].split()
    deadline, good = time.monotonic() + LIMIT_SECONDS, 0
    while True:
        with ThreadPoolExecutor(max_workers=1 + len(others)) as pool:
            found = dict(zip((own, *others), pool.map(reached, (own, *others)), strict=True))
        good = good + 1 if found.pop(own) and not any(found.values()) else 0
        if good == ROUNDS:
            report({"own": own, "unreached": others})
            return
        if time.monotonic() > deadline:
            at = [host for host in others if found[host]]
            sys.exit(f"reached {', '.join(at)}" if at else f"{own} is not reached")
        time.sleep(ROUND_SECONDS)


class Unfollowed(urllib.request.HTTPRedirectHandler):
    """Takes a redirect for an answer. S3 redirects to `aws.amazon.com`, which an isolated pod does not reach."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect, which makes it an HTTPError."""


def reached(host: str) -> bool:
    """Return whether a host answers HTTPS, whatever it answers."""
    try:
        urllib.request.build_opener(Unfollowed).open(f"https://{host}/", timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def report(found: object) -> None:
    """Write the result where the kubelet reads it (`terminationMessagePath`)."""
    with open(os.environ.get("TERMINATION_LOG", "/dev/termination-log"), "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
