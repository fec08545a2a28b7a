"""A request to the emulated AWS: its operation, parameters and region, and answers in its protocol.

moto's routers, parsers and serializers over botocore's service models are used for every request, so that faults, the
record of calls and extensions refer to `s3:PutObject` and its parameters instead of methods and paths.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from moto.core.exceptions import ServiceException
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto.s3.models import FakeBucket, s3_backends
from werkzeug.exceptions import NotFound

from sandbox.aws.account import ACCOUNT, DEFAULT_REGION, PARTITION
from sandbox.aws.answer import Answer, AwsError
from sandbox.aws.behaviours.service_hosts import GLOBAL, GLOBAL_SERVICES
from sandbox.aws.world import World

SERVICE_BY_SIGNING_NAME = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2",
    "elasticfilesystem": "efs",
    "states": "stepfunctions",
    "tagging": "resourcegroupstaggingapi",
    "servicequotas": "service-quotas",
    "email": "ses",
}
"""Names in the SigV4 scope that differ from botocore's service names."""

HOST_REGION = "sandbox.host_region"
"""Key of a WSGI environ with the region of the host that was called; requests without a signature are for it."""

CURRENT_NAME = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}
"""Operations that share a URL with a deprecated one: the name that clients use."""

SCOPE = re.compile(r"Credential=[^/]*/\d{8}/([^/]+)/([^/]+)/aws4_request")


class NotEmulatedError(AwsError):
    """Neither moto nor an extension has the operation. botocore never retries status 501."""

    def __init__(self, call: Call, detail: str = "") -> None:
        super().__init__("NotEmulated", f"not emulated: {call.name}{detail}", 501)


@dataclass
class Call:
    """A request: `region` is the region that it is signed for, `target` the region that it is for."""

    world: World
    environ: dict[str, Any]
    body: bytes
    service: str
    region: str
    operation: str = ""
    model: OperationModel | None = None
    uri: dict[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        return str(self.environ["REQUEST_METHOD"])

    @property
    def name(self) -> str:
        return f"{self.service}:{self.operation}"

    def wsgi(self) -> dict[str, Any]:
        """A new WSGI environ, from which the body can be read again."""
        environ = {key: value for key, value in self.environ.items() if key != "HTTP_TRANSFER_ENCODING"}
        return environ | {"wsgi.input": io.BytesIO(self.body), "CONTENT_LENGTH": str(len(self.body))}

    @cached_property
    def request(self) -> Request:
        return Request(self.wsgi())

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The parameters by their names in boto3."""
        request = self.request
        parser = PROTOCOL_PARSERS[self._protocol](self._modelled)
        return parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": self.body,
                "url_path": request.path,
                "url_params": self.uri,
            }
        )

    @cached_property
    def bucket(self) -> FakeBucket | None:
        """The bucket that an S3 request names, if it exists."""
        return find_bucket(self.uri["Bucket"]) if self.service == "s3" and "Bucket" in self.uri else None

    @property
    def target(self) -> str:
        """The region of the request: the bucket's own for S3, "global" for a service with one endpoint."""
        if self.service in GLOBAL_SERVICES:
            return GLOBAL
        return self.bucket.region_name if self.bucket else self.region

    def result(self, content: Any) -> Answer:
        """Serialize an operation's output, given by its names in boto3."""
        model = self._modelled
        serializer = get_serializer_class(model.service_model.service_name, self._protocol)(model)
        made = serializer.serialize(content)
        body = made["body"]
        return Answer(made["status_code"], body.encode() if isinstance(body, str) else body, dict(made["headers"]))

    def error(self, error: ServiceException) -> Answer:
        """Serialize an error in the protocol of the request."""
        shape = self.model and self.model.service_model.shape_for_error_code(error.code)
        modelled = shape.metadata.get("error", {}).get("httpStatusCode", 400) if shape else 400
        status = getattr(error, "status", None) or modelled
        headers = dict(getattr(error, "headers", {}))
        if self._protocol.endswith("json"):
            # Services that left the query protocol keep its error codes in x-amzn-query-error.
            headers |= {"x-amzn-errortype": error.code, "x-amzn-query-error": f"{error.code};Sender"}
            answer = Answer.of_json({"__type": error.code, "message": error.message}, status)
            return Answer(status, answer.body, answer.headers | headers)
        text = f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
        if self._protocol == "ec2":
            text = f"<Response><Errors>{text}</Errors><RequestID>sandbox</RequestID></Response>"
        elif self.service != "s3":
            text = f"<ErrorResponse>{text}<RequestId>sandbox</RequestId></ErrorResponse>"
        return Answer(status, text.encode(), headers | {"Content-Type": "application/xml"})

    @property
    def _modelled(self) -> OperationModel:
        if self.model is None:
            raise NotEmulatedError(self)
        return self.model

    @property
    def _protocol(self) -> str:
        content_type = self.environ.get("CONTENT_TYPE", "")
        if self.model is not None:
            return determine_request_protocol(self.model.service_model, content_type)
        return "json" if "HTTP_X_AMZ_TARGET" in self.environ or "json" in content_type else "rest-xml"


def find_bucket(name: str) -> FakeBucket | None:
    """Find a bucket by its name, which is unique in the partition."""
    partition, account = s3_backends.bucket_accounts.get(name, (PARTITION, ACCOUNT))
    return s3_backends[account][partition].buckets.get(name)


def object_version(call: Call) -> Any:
    """The version (FakeKey or FakeDeleteMarker) that a request on an object names, or the current version."""
    if call.bucket is None:
        return None
    wanted = call.request.args.get("versionId")
    versions = call.bucket.keys.getlist(call.uri["Key"], [])
    if wanted is None:
        return versions[-1] if versions else None
    return next((version for version in versions if version.version_id == wanted), None)


def identify(world: World, environ: dict[str, Any], body: bytes) -> Call:
    """Identify the service, the operation and the signed region of a request."""
    service, region = _scope(environ, body)
    signed = region is not None
    if service == "s3" and environ["PATH_INFO"].startswith("/v20180820/"):
        service = "s3control"
    call = Call(world, environ, body, service, region or environ.get(HOST_REGION) or DEFAULT_REGION)
    try:
        call.model, call.uri = get_service_router(service).match(call.request)
    except (NotFound, NotImplementedError, UnknownServiceError):
        call.operation = _stated_operation(environ, body)
        return call
    if not signed and call.bucket:
        call.region = call.bucket.region_name
    call.operation = str(CURRENT_NAME.get(call.model.name, call.model.name))
    if call.operation != call.model.name:
        call.model = get_service_model(service).operation_model(call.operation)
    return call


def is_signed(environ: dict[str, Any]) -> bool:
    """Return whether a request has a signature, in its headers or in its URL."""
    return bool(_scope(environ, b"")[1])


def _scope(environ: dict[str, Any], body: bytes) -> tuple[str, str | None]:
    match = SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not match:
        presigned = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
        match = SCOPE.search(f"Credential={presigned}")
    if match:
        region, signing_name = match.groups()
        return SERVICE_BY_SIGNING_NAME.get(signing_name.lower(), signing_name.lower()), region
    # Unsigned: role assumption with a token, or an anonymous S3 request.
    return ("sts" if b"Action=AssumeRoleWith" in body else "s3"), None


def _stated_operation(environ: dict[str, Any], body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target).rpartition(".")[2]
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode("utf-8", "replace")).get("Action")
        if action:
            return action[0]
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
