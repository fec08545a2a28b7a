"""An emulated AWS: moto in this process, with extensions and behaviours that this topology needs."""

from __future__ import annotations

import contextlib
import datetime
import functools
import os
import sys
import threading
import traceback
import uuid
from typing import Any

from moto.backend_index import backend_url_patterns
from moto.backends import list_of_moto_modules
from moto.core.base_backend import BackendDict
from moto.core.exceptions import ServiceException
from moto.core.model_instances import reset_model_data
from moto.core.parse import RequestParserError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from sandbox.aws import extensions
from sandbox.aws.answer import Answer, AwsError, ConnectionCutError
from sandbox.aws.behaviours import backups, batch_jobs, minutes, replication
from sandbox.aws.call import Call, NotEmulatedError, identify
from sandbox.aws.calls import CallRecord
from sandbox.aws.extensions import HANDLERS, s3
from sandbox.aws.faults import Faults
from sandbox.aws.world import World


class Emulator:
    """One emulated AWS. moto's backends are global to the process, so a process has one at a time.

    Args:
        world: What extensions and behaviours share.
    """

    def __init__(self, world: World) -> None:
        extensions.load()
        self.id = str(uuid.uuid4())
        self.pid = os.getpid()
        self.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.world = world
        self.calls = CallRecord()
        self.replication = replication.Replicator(world.faults)
        self.minutes = minutes.Minutes(world, self.replication)
        self._turns: dict[tuple[str, str], threading.RLock] = {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto searches its folders at every request, always with the same result for a host.
        self._moto.get_backend_for_host = functools.cache(self._moto.get_backend_for_host)  # type: ignore[method-assign]

    @property
    def faults(self) -> Faults:
        """The faults in force."""
        return self.world.faults

    def stop(self) -> None:
        """Stop the threads and processes of behaviours."""
        self.replication.stop()
        self.minutes.stop()
        self.world.functions.stop()

    def reset(self) -> None:
        """Empty moto and drop faults, calls, messages and endpoints; the clock returns to the machine's time."""
        self.world.functions.stop()
        self.world.kubernetes.forget()
        self.world.databases.forget()
        self.minutes.forget()
        backups.forget()
        self.world.messages.forget()
        with replication.WRITES:
            BackendDict.reset()
            reset_model_data()
            self.replication.forget()
        self.faults.clear()
        self.world.endpoints.clear()
        self.world.addresses.forget()
        self.calls = CallRecord()

    def faults_changed(self) -> None:
        """Stop and resume what the faults in force demand."""
        self.world.kubernetes.faults_changed()
        self.world.databases.changed()
        self.replication.wake()

    def answer(self, environ: dict[str, Any], body: bytes) -> Answer:
        """Answer a request to AWS and record it. Raises ConnectionCutError where a fault cuts the connection."""
        call = identify(self.world, environ, body)
        if environ["PATH_INFO"].startswith("/moto-api"):
            return self.ask_moto(call)
        target, status = call.target, 0
        try:
            answer = self._answer(call)
            status = answer.status
            return answer
        finally:
            self.calls.add(call, target, status)

    def ask_moto(self, call: Call) -> Answer:
        """Return moto's own answer. Raises NotEmulatedError if moto has none."""
        if not _in_moto(call.service):
            raise NotEmulatedError(call)
        started: list[Any] = []
        chunks = self._moto(call.wsgi(), lambda *arguments: started.extend(arguments))
        body = b"".join(chunks)
        chunks.close()
        status, headers = int(started[0].split()[0]), dict(started[1])
        unrouted = status == 404 and (call.model is None or headers.get("Content-Type", "").startswith("text/html"))
        if unrouted and call.service != "s3":
            raise NotEmulatedError(call)
        return Answer(status, body, headers)

    def _turn(self, call: Call) -> contextlib.AbstractContextManager[Any]:
        """Serialize calls of a service in a region: moto iterates over dictionaries that other threads change.

        S3 serializes only writes, which are queued for replication in their order.
        """
        if call.service == "s3":
            return replication.WRITES if s3.writes(call) else contextlib.nullcontext()
        # setdefault is atomic; a default dictionary could create two locks.
        return self._turns.setdefault((call.service, call.target), threading.RLock())

    def _answer(self, call: Call) -> Answer:
        try:
            self.faults.apply(call.name, call.target, call.region)
            s3.refuse_misrouted(call)
            with self._turn(call):
                if call.service == "s3control":
                    batch_jobs.advance(self.world, call.region, self.replication)
                handler = HANDLERS.get((call.service, call.operation))
                content = handler(call, lambda: self.ask_moto(call)) if handler else self.ask_moto(call)
                answer = content if isinstance(content, Answer) else call.result(content)
                if call.service == "s3" and answer.status < 300:
                    self.replication.observe(call, answer)
                if call.service == "rds":
                    self.world.databases.changed()
                return answer
        except ServiceException as error:
            return call.error(error)
        except ConnectionCutError:
            raise
        except NotImplementedError:
            return call.error(NotEmulatedError(call))
        except RequestParserError as error:
            code = "MalformedXML" if call.service == "s3" else "SerializationException"
            return call.error(AwsError(code, str(error)))
        except Exception as error:  # noqa: BLE001 - moto fails in any way, and would answer an HTML page
            sys.stderr.write(f"{call.name} failed\n{traceback.format_exc()}")
            return call.error(NotEmulatedError(call, f" (it failed: {type(error).__name__}: {error})"))


@functools.cache
def _in_moto(service: str) -> bool:
    """Whether moto has a service; its dispatcher fails on unknown ones."""
    host = f"http://{service}.us-east-1.amazonaws.com"
    by_name = service.replace("-", "") in set(list_of_moto_modules())
    return by_name or any(pattern.match(host) for _, pattern in backend_url_patterns)
