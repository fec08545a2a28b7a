"""Buckets and objects; `s3_settings` has the settings of a bucket.

After internal/service/s3/{bucket,object}.go of the provider that the real plugin wraps (terraform-provider-aws).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from sandbox.aws_plugin.archives import same_archive, zipped
from sandbox.aws_plugin.check import matches
from sandbox.aws_plugin.connections import Refused
from sandbox.aws_plugin.model import AutoName, Problem, Resource, ResourceType, Tags

PASSES = ("NoSuchBucket", "OperationAborted")

# Buckets -------------------------------------------------------------------------------------------------------


def _create_bucket(bucket: Resource) -> None:
    name = bucket.wanted["bucket"]
    # us-east-1 answers 200 to the creation of a bucket of the same account: look first.
    if bucket.region == "us-east-1" and bucket.optional("head_bucket", Bucket=name):
        raise _taken("BucketAlreadyExists", name, bucket.region)
    place = {} if bucket.region == "us-east-1" else {"LocationConstraint": bucket.region}
    arguments = bucket.arguments("create_bucket") | ({"CreateBucketConfiguration": place} if place else {})
    try:
        bucket.send("create_bucket", **arguments)
    except Refused as error:
        if error.code in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
            raise _taken(error.code, name, bucket.region) from error
        raise


def _taken(code: str, name: str, region: str) -> Refused:
    why = f"the bucket name {name!r} is taken; choose another, or adopt an existing bucket of yours with `import_`"
    return Refused(code, why, "s3:CreateBucket", region)


def _read_bucket(bucket: Resource) -> dict[str, Any]:
    name = bucket.id
    head = bucket.send("head_bucket", Bucket=name)
    region = head.get("BucketRegion") or bucket.region
    lock = bucket.optional("get_object_lock_configuration", Bucket=name).get("ObjectLockConfiguration", {})
    return {
        "Bucket": name,
        "ObjectLockEnabledForBucket": lock.get("ObjectLockEnabled") == "Enabled",
        "Arn": f"arn:aws:s3:::{name}",
        "BucketRegion": region,
        "BucketDomainName": f"{name}.s3.amazonaws.com",
        "BucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
    }


def _delete_bucket(bucket: Resource) -> None:
    try:
        bucket.send("delete_bucket", Bucket=bucket.id)
    except Refused as error:
        if error.code != "BucketNotEmpty" or not bucket.state.get("forceDestroy"):
            raise
        _delete_versions(bucket, bucket.id, bypass=True)
        bucket.send("delete_bucket", Bucket=bucket.id)


def _delete_versions(resource: Resource, bucket: str, key: str | None = None, bypass: bool = False) -> None:
    """Delete every version and delete marker of one key, or of all."""
    more: dict[str, Any] = {"Bucket": bucket} | ({"Prefix": key} if key else {})
    while more:
        page = resource.send("list_object_versions", **more)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found if key in (None, one["Key"])]
        if objects:
            extra = {"BypassGovernanceRetention": True} if bypass else {}
            answer = resource.send("delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True}, **extra)
            for failed in answer.get("Errors", []):
                text = f"{failed['Key']} version {failed.get('VersionId')}: {failed.get('Message')}"
                raise Refused(failed.get("Code", "?"), text, "s3:DeleteObjects", resource.region)
        if not page.get("IsTruncated"):
            return
        more |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def _bucket_tags(bucket: Resource) -> dict[str, str]:
    answer = bucket.optional("get_bucket_tagging", Bucket=bucket.id)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", [])}


def _write_bucket_tags(bucket: Resource, _set: dict[str, str], _removed: list[str]) -> None:
    if tags := bucket.wanted["tagsAll"]:
        tag_set = [{"Key": name, "Value": value} for name, value in sorted(tags.items())]
        bucket.send("put_bucket_tagging", Bucket=bucket.id, Tagging={"TagSet": tag_set})
    else:
        bucket.send("delete_bucket_tagging", Bucket=bucket.id)


def _bucket_name(inputs: Mapping[str, Any], _: Mapping[str, Any]) -> Iterator[Problem]:
    name = inputs.get("bucket")
    if name is None:
        return
    if not 3 <= len(name) <= 63:
        yield "bucket", f"{name!r} has {len(name)} characters; a bucket name has 3 to 63"
    elif not re.fullmatch(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", name) or ".." in name:
        yield "bucket", f"{name!r}: lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
    elif re.fullmatch(r"(\d+\.){3}\d+", name):
        yield "bucket", f"{name!r}: a bucket name must not look like an IP address"
    elif name.endswith("--x-s3"):
        yield "bucket", f"{name!r}: the ending --x-s3 belongs to directory buckets, which are another resource type"


BUCKET = ResourceType(
    token="aws:s3/bucket:Bucket",
    service="s3",
    shape="CreateBucketRequest",
    properties="bucket! forceDestroy:boolean objectLockEnabled=ObjectLockEnabledForBucket",
    outputs="""arn=Arn:string bucketRegion=BucketRegion:string bucketDomainName=BucketDomainName:string
               bucketRegionalDomainName=BucketRegionalDomainName:string""",
    identity="{Bucket}",
    auto_name=AutoName("bucket", 63, lower=True),
    defaults={"forceDestroy": False},
    replace_on=frozenset({"bucket", "objectLockEnabled"}),
    computed=frozenset({"objectLockEnabled"}),
    checks=(_bucket_name,),
    create=_create_bucket,
    read=_read_bucket,
    delete=_delete_bucket,
    tags=Tags(_bucket_tags, _write_bucket_tags),
    retries=("OperationAborted",),
)

# Objects -------------------------------------------------------------------------------------------------------


def _put_object(resource: Resource) -> None:
    arguments = resource.arguments("put_object")
    source = resource.wanted.get("source")
    arguments["Body"] = zipped(source) if source else resource.wanted.get("content", "").encode()
    if "SSEKMSKeyId" in arguments:
        arguments["ServerSideEncryption"] = "aws:kms"
    # Tags of an object belong to the version that is uploaded.
    arguments["Tagging"] = urlencode(resource.wanted["tagsAll"])
    resource.tagged = True
    resource.send("put_object", **arguments)
    resource.id = f"{arguments['Bucket']}/{arguments['Key']}"


def _read_object(resource: Resource) -> dict[str, Any]:
    place = resource.identity()
    head = resource.send("head_object", **place)
    tag = head["ETag"].strip('"')
    arn = f"arn:aws:s3:::{place['Bucket']}/{place['Key']}"
    # S3 has the zip file only; the archive is the program's.
    archive = {"Source": resource["source"]} if resource["source"] else {}
    return {"StorageClass": "STANDARD", **head, **place, **archive, "ETag": tag, "Arn": arn}


def _delete_object(resource: Resource) -> None:
    place = resource.identity()
    if resource.state.get("versionId"):
        _delete_versions(resource, place["Bucket"], place["Key"], bypass=bool(resource.state.get("forceDestroy")))
    else:
        resource.send("delete_object", **place)


def _object_tags(resource: Resource) -> dict[str, str]:
    answer = resource.send("get_object_tagging", **resource.identity())
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _write_object_tags(resource: Resource, _set: dict[str, str], _removed: list[str]) -> None:
    tag_set = [{"Key": name, "Value": value} for name, value in sorted(resource.wanted["tagsAll"].items())]
    resource.send("put_object_tagging", **resource.identity(), Tagging={"TagSet": tag_set})


OBJECT_CONTENT = """content source contentType cacheControl contentEncoding metadata storageClass
                    serverSideEncryption kmsKeyId bucketKeyEnabled"""
OBJECT = ResourceType(
    token="aws:s3/bucketObjectv2:BucketObjectv2",
    service="s3",
    shape="PutObjectRequest",
    properties="""bucket! key! content:string source=Source:archive contentType cacheControl contentEncoding metadata
                  storageClass
                  serverSideEncryption kmsKeyId=SSEKMSKeyId bucketKeyEnabled forceDestroy:boolean""",
    outputs="arn=Arn:string etag=ETag:string versionId=VersionId:string",
    identity="{Bucket}/{Key}",
    auto_name=AutoName("key", 1024, random=False),
    defaults={"forceDestroy": False},
    computed=frozenset({"contentType", "storageClass", "serverSideEncryption", "kmsKeyId", "bucketKeyEnabled"}),
    renewed=frozenset({"etag", "versionId"}),
    replace_on=frozenset({"bucket", "key"}),
    equal={"source": same_archive},
    checks=(matches("kmsKeyId", r"arn:aws[\w-]*:kms:.+", "the ARN of a key"),),
    create=_put_object,
    read=_read_object,
    update=((OBJECT_CONTENT, _put_object),),
    delete=_delete_object,
    tags=Tags(_object_tags, _write_object_tags),
    retries=PASSES,
)

TYPES = (BUCKET, OBJECT)
