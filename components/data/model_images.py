"""ModelImages: private repositories for images and charts in both regions, with replication.

There are three repositories in each region, whatever the number of images (`dr.topology.supply.Kind`): a new image, or
another chart, needs no new repository. So it can be copied while the primary region is unavailable, although the
primary stack owns the repositories. Nodes pull by digest; tags are for people.

Replication copies what is pushed in the primary region; `dr supply sync` copies the same, also without it. It has one
configuration for the registry of a region, which all deployments in the account share; rules of others are left alone
(`dr.preflight.registry_rules`).

Costs, us-east-1 list prices: storage in both regions ($0.10 a GB-month), and $0.02 for every GB replicated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import ecr

from components.data.data_keys import DataKeys
from dr.preflight.registry_rules import filter_of
from dr.topology.supply import Kind, repositories

UNTAGGED_DAYS = 30
"""Age in days at which an image without a tag expires: what an interrupted push left. The single platforms of an image
have no tag either: "If an image is referenced by a manifest list, it cannot be expired or archived without the manifest
list being deleted or archived first" (ECR user guide, "Lifecycle policies")."""
KEPT = 300
"""Tagged images that a repository keeps. Older ones expire. The catalogue has 15 images and 8 charts: with an update of
each in every month, the oldest would be more than a year old."""


@dataclass(frozen=True)
class ModelImagesArgs:
    """Arguments of `ModelImages`.

    Args:
        prefix: First part of the repositories' names.
        account: The AWS account's twelve digits.
        source_region: The region from which images are replicated.
        replica_region: The region to which images are replicated; must differ.
        keys: KMS keys of both regions.
        replicates: Whether this deployment sets the rules of the source region's registry.
        protect: Protect the repositories from deletion by Pulumi, and retain them when they are removed from the
            program. Without it, they are deleted with their images.
        tags: Tags of the repositories.

    Raises:
        ValueError: Both regions are the same.
    """

    prefix: str
    account: str
    source_region: str
    replica_region: str
    keys: DataKeys
    replicates: bool = True
    protect: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.source_region == self.replica_region:
            raise ValueError(f"both registries would be in {self.source_region}; name two different regions")


class ModelImages(pulumi.ComponentResource):
    """Repositories with immutable tags, scan on push, encryption and a lifecycle policy; and replication.

    Attributes:
        repositories: URLs of the repositories by region and kind.
    """

    repositories: Mapping[str, Mapping[Kind, pulumi.Output[str]]]

    def __init__(self, name: str, args: ModelImagesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:data:ModelImages", name, None, opts)
        self._name, self._args = name, args
        # Both sides: an image that is deleted in the primary region may be in use there.
        self._opts = pulumi.ResourceOptions(parent=self, protect=args.protect, retain_on_delete=args.protect)
        replica = self._region("replica", args.replica_region, args.keys.replica_arn)
        source = self._region("source", args.source_region, args.keys.source_arn)
        self.repositories = {
            args.source_region: {kind: each.repository_url for kind, each in source.items()},
            args.replica_region: {kind: each.repository_url for kind, each in replica.items()},
        }
        if args.replicates:
            self._replicate([*source.values(), *replica.values()])
        self.register_outputs({"repositories": self.repositories})

    def _replicate(self, repositories: Sequence[pulumi.Resource]) -> None:
        """Set the rules, after the repositories: replication would create missing ones with the default settings."""
        args = self._args
        ecr.ReplicationConfiguration(
            f"{self._name}-replication",
            replication_configuration={
                "rules": [
                    {
                        "destinations": [{"region": args.replica_region, "registry_id": args.account}],
                        "repository_filters": [{"filter": filter_of(args.prefix), "filter_type": "PREFIX_MATCH"}],
                    }
                ]
            },
            region=args.source_region,
            # Deleting the configuration would delete rules that others have added to it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(repositories), retain_on_delete=True),
        )

    def _region(self, side: str, region: str, key_arn: pulumi.Output[str]) -> dict[Kind, ecr.Repository]:
        return {
            kind: self._repository(f"{self._name}-{side}-{kind}", repository, region, key_arn)
            for kind, repository in repositories(self._args.prefix).items()
        }

    def _repository(self, name: str, repository: str, region: str, key_arn: pulumi.Output[str]) -> ecr.Repository:
        made = ecr.Repository(
            name,
            name=repository,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration={"scan_on_push": True},
            encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
            force_delete=not self._args.protect,
            region=region,
            tags=dict(self._args.tags),
            opts=self._opts,
        )
        ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=made.name,
            policy=lifecycle(),
            region=region,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made


def lifecycle() -> str:
    """Return the lifecycle policy of a repository (ECR user guide, "Lifecycle policy properties")."""
    rules = [
        {
            "rulePriority": 1,
            "description": f"Expire images without a tag after {UNTAGGED_DAYS} days",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": f"Keep the newest {KEPT} images with a tag",
            "selection": {
                "tagStatus": "tagged",
                # Images of single platforms have no tag, and do not count.
                "tagPatternList": ["*"],
                "countType": "imageCountMoreThan",
                "countNumber": KEPT,
            },
            "action": {"type": "expire"},
        },
    ]
    return json.dumps({"rules": rules})
