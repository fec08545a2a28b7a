"""Faults of the emulated AWS: a lost region or zone, slow inference, busy or lacking instances, failing
operations.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import UnknownServiceError
from moto.core.utils import get_service_model
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.instance_types import INSTANCE_TYPES

from dr.spelling import nearest
from sandbox.aws.answer import AwsError, ConnectionCutError

REGION = re.compile(
    r"\b(?:us|eu|ap|sa|ca|af|me|il|mx)-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-\d\b"
)

STATUS = {
    "SlowDown": 503,
    "ServiceUnavailable": 503,
    "Unavailable": 503,
    "RequestLimitExceeded": 503,
    "InternalError": 500,
    "InternalFailure": 500,
    "ServiceFailure": 500,
    "KMSInternalException": 500,
    "AccessDenied": 403,
    "InvalidClientTokenId": 403,
    "ExpiredToken": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchEntity": 404,
    "OperationAborted": 409,
}
"""HTTP status by error code; 400 for all others."""


@dataclass
class RegionFault:
    """A region that is unreachable or slow.

    Args:
        region: The region.
        unreachable: Whether its connections are cut.
        slow: Seconds by which its answers are delayed.
        with_global: Whether IAM, Route 53 and other global services are unreachable too.
    """

    region: str
    unreachable: bool = False
    slow: float = 0.0
    with_global: bool = False
    kind: str = "region"


@dataclass
class OperationFault:
    """An operation that fails.

    Args:
        operation: The operation: s3:PutObject.
        error: Code of the error.
        times: How often it fails; None until the fault is cleared.
        region: The region; None for all regions.
    """

    operation: str
    error: str
    times: int | None = None
    region: str | None = None
    kind: str = "operation"

    def hits(self, operation: str, regions: Collection[str]) -> bool:
        """Whether an operation in these regions fails."""
        return self.operation == operation and (self.region is None or self.region in regions)


@dataclass
class ZoneFault:
    """A zone in which all machines are dead. The region's APIs also run in other zones, and answer.

    Args:
        zone: The zone.
        unnoticed: Seconds for which Kubernetes does not notice it, by the machine's clock: leases of nodes are renewed.
    """

    zone: str
    unnoticed: float = 0.0
    kind: str = "zone"

    @property
    def region(self) -> str:
        return self.zone[:-1]


@dataclass
class CapacityFault:
    """Lack of capacity for an instance type in a region: instances run on, and no more can be launched."""

    region: str
    instance_type: str
    kind: str = "capacity"


@dataclass
class InferenceFault:
    """Slow inference in a region, while its health checks pass: a grey failure.

    Args:
        region: The region.
        slow: Seconds by which answers to inference requests are delayed.
        share: Share of the requests that are slow, above 0 and up to 1, evenly distributed.
    """

    region: str
    slow: float
    share: float = 1.0
    kind: str = "inference"


@dataclass
class DatabaseFault:
    """Replication of a global database that lags in a secondary region.

    Args:
        region: The region of the secondary cluster.
        lag: Seconds by which it is behind.
    """

    region: str
    lag: float
    kind: str = "database"


@dataclass
class LoadFault:
    """Busy instances of an Auto Scaling group.

    Args:
        region: The region.
        group: Name of the group.
        percent: CPU utilization of each of its instances.
    """

    region: str
    group: str
    percent: float
    kind: str = "load"


@dataclass
class PublishersFault:
    """Unreachable publishers of charts and images: only the account's own registries answer."""

    kind: str = "publishers"
    region: None = None


PlacedFault = RegionFault | ZoneFault | CapacityFault | InferenceFault | DatabaseFault | LoadFault | PublishersFault
Fault = PlacedFault | OperationFault
KINDS: dict[str, type[Fault]] = {
    **{"region": RegionFault, "operation": OperationFault},
    **{"zone": ZoneFault, "capacity": CapacityFault, "inference": InferenceFault, "publishers": PublishersFault},
    **{"database": DatabaseFault, "load": LoadFault},
}


def parse(document: Any) -> Fault:
    """Parse a fault from JSON. Raises ValueError with what is wrong and what is allowed."""
    if not isinstance(document, dict) or document.get("kind") not in KINDS:
        raise ValueError(f'a fault is a JSON object with "kind": one of {", ".join(KINDS)}; got {document!r}')
    make = KINDS[document["kind"]]
    fields = sorted(make.__dataclass_fields__)
    if unknown := sorted(set(document) - set(fields)):
        raise ValueError(f"a {document['kind']} fault has no {', '.join(unknown)}; it has {', '.join(fields)}")
    try:
        fault = make(**document)
    except TypeError as error:
        raise ValueError(f"the {document['kind']} fault {document!r} is incomplete: {error}") from error
    if isinstance(fault, ZoneFault):
        _check_zone(str(fault.zone))
        fault.unnoticed = float(fault.unnoticed)
    elif fault.region is not None and not REGION.fullmatch(str(fault.region)):
        raise ValueError(f"{fault.region!r} is not a region; us-east-1 is one")
    if isinstance(fault, RegionFault):
        fault.slow = float(fault.slow)
        if fault.slow < 0 or not (fault.unreachable or fault.slow):
            raise ValueError(
                f'region fault of {fault.region} does nothing: give "unreachable": true or "slow": seconds'
            )
    elif isinstance(fault, InferenceFault):
        fault.slow, fault.share = float(fault.slow), float(fault.share)
        if fault.slow <= 0 or not 0 < fault.share <= 1:
            raise ValueError(
                f'inference fault of {fault.region} does nothing: "slow" is a number of seconds above 0, '
                f'and "share" is above 0 and up to 1; got {fault.slow:g} and {fault.share:g}'
            )
    elif isinstance(fault, DatabaseFault):
        fault.lag = float(fault.lag)
        if fault.lag <= 0:
            raise ValueError(f'database fault of {fault.region} does nothing: "lag" is a number of seconds above 0')
    elif isinstance(fault, LoadFault):
        fault.percent = float(fault.percent)
        if not 0 <= fault.percent <= 100:
            raise ValueError(f'"percent" is a CPU utilization from 0 to 100; got {fault.percent:g}')
    elif isinstance(fault, CapacityFault):
        _check_type(str(fault.instance_type))
    elif isinstance(fault, OperationFault):
        _check_operation(fault.operation)
        if fault.times is not None and (not isinstance(fault.times, int) or fault.times < 1):
            raise ValueError(f'"times" is {fault.times!r}; it is a whole number from 1, or absent for always')
    return fault


def _check_zone(name: str) -> None:
    zones = [zone.name for zone in RegionsAndZonesBackend.zones.get(name[:-1], ())]
    if name not in zones:
        known = f"{name[:-1]} has {', '.join(zones)}" if zones else "us-east-1a is one"
        raise ValueError(f"{name!r} is not a zone; {known}")


def _check_type(name: str) -> None:
    if name not in INSTANCE_TYPES:
        raise ValueError(f"{name!r} is not an instance type" + _nearest(name, list(INSTANCE_TYPES)))


def _nearest(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f"; nearest is {near}" if near else ""


def _check_operation(name: str) -> None:
    service, _, operation = str(name).partition(":")
    try:
        known = get_service_model(service).operation_names
    except UnknownServiceError as error:
        raise ValueError(f"{name!r} names no service that boto3 knows; an operation is written s3:PutObject") from error
    if operation not in known:
        raise ValueError(f"{service} has no operation {operation!r}" + _nearest(operation, list(known)))


class Faults:
    """The faults in force. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._placed: dict[tuple[str, ...], PlacedFault] = {}
        self._zones: dict[str, float] = {}
        self._operations: list[OperationFault] = []
        self._inferences = 0

    def add(self, fault: Fault) -> None:
        """Put a fault in force; it replaces an earlier one of the same kind and place."""
        with self._lock:
            if isinstance(fault, OperationFault):
                self._operations.append(fault)
            elif isinstance(fault, RegionFault):
                self._placed[fault.region,] = fault
            elif isinstance(fault, ZoneFault):
                self._placed[fault.zone,] = fault
                self._zones[fault.zone] = time.monotonic()
            elif isinstance(fault, PublishersFault):
                self._placed[fault.kind,] = fault
            elif isinstance(fault, InferenceFault | DatabaseFault):
                self._placed[fault.region, fault.kind] = fault
            elif isinstance(fault, LoadFault):
                self._placed[fault.region, fault.group] = fault
            else:
                self._placed[fault.region, fault.instance_type] = fault

    def clear(self, *place: str) -> None:
        """Clear the fault of a region, a zone, or a region and a type, group or kind; without arguments, all."""
        with self._lock:
            if place:
                self._placed.pop(place, None)
            else:
                self._placed.clear()
                self._operations.clear()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [*map(asdict, self._placed.values()), *map(asdict, self._operations)]

    def unreachable(self, *regions: str) -> bool:
        """Whether any of the regions, which may include "global", is unreachable."""
        gone = [fault for fault in self._regions() if fault.unreachable]
        if "global" in regions and any(fault.with_global for fault in gone):
            return True
        return any(fault.region in regions for fault in gone)

    def publishers_down(self) -> bool:
        """Whether publishers of charts and images cannot be reached."""
        with self._lock:
            return ("publishers",) in self._placed

    def zone_down(self, zone: str) -> bool:
        """Whether a zone's machines are dead."""
        with self._lock:
            return (zone,) in self._placed

    def zone_noticed(self, zone: str) -> bool:
        """Whether a zone's machines are dead, and Kubernetes and EC2 can notice it."""
        with self._lock:
            fault = self._placed.get((zone,))
            return isinstance(fault, ZoneFault) and time.monotonic() - self._zones[zone] >= fault.unnoticed

    def no_capacity(self, region: str, instance_type: str) -> bool:
        """Whether a region lacks capacity for an instance type."""
        with self._lock:
            return (region, instance_type) in self._placed

    def load(self, region: str, group: str) -> float | None:
        """Return the CPU utilization of a busy Auto Scaling group's instances; None for any other group."""
        with self._lock:
            fault = self._placed.get((region, group))
            return fault.percent if isinstance(fault, LoadFault) else None

    def inference_delay(self, region: str) -> float:
        """Count an inference request of a region, and return the seconds by which its answer is delayed."""
        with self._lock:
            fault = self._placed.get((region, "inference"))
            if not isinstance(fault, InferenceFault):
                return 0.0
            self._inferences += 1
            hit = int(self._inferences * fault.share) > int((self._inferences - 1) * fault.share)
            return fault.slow if hit else 0.0

    def database_lag(self, region: str) -> float:
        """Seconds by which replication to a region's databases lags; 0 without a fault."""
        with self._lock:
            fault = self._placed.get((region, "database"))
            return fault.lag if isinstance(fault, DatabaseFault) else 0.0

    def _regions(self) -> list[RegionFault]:
        with self._lock:
            return [fault for fault in self._placed.values() if isinstance(fault, RegionFault)]

    def apply(self, operation: str, target: str, signed: str) -> None:
        """Delay a request, or make it fail, as the faults in force demand.

        Args:
            operation: Service and operation: s3:PutObject.
            target: Region that the request is for; "global" for a service with one endpoint.
            signed: Region that the request is signed for.

        Raises:
            ConnectionCutError: A region that the request needs is lost.
            AwsError: The operation is made to fail.
        """
        # An S3 request needs the endpoint that it is signed for and the bucket's own region.
        regions = {target} if target == "global" else {target, signed}
        if self.unreachable(*regions):
            raise ConnectionCutError(f"{operation}: one of {sorted(regions)} cannot be reached")
        delay = max((fault.slow for fault in self._regions() if fault.region in regions), default=0.0)
        with self._lock:
            fault = next((fault for fault in self._operations if fault.hits(operation, {target, signed})), None)
            if fault and fault.times is not None:
                fault.times -= 1
                if not fault.times:
                    self._operations.remove(fault)
        if delay:
            time.sleep(delay)
        if fault:
            raise AwsError(fault.error, f"{operation} was made to fail by the sandbox", STATUS.get(fault.error, 400))
