"""Certificate: a region's ACM certificate, validated by DNS records in the hosted zone that both regions share.

ACM requires the same validation record for a name in every region of an account (ACM user guide, "DNS validation"). So
the primary stack's records also validate the recovery region's certificate: the recovery stack creates none, and its
certificate renews automatically while the primary region is unavailable. ACM certificates are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import acm, route53

RECORD_TTL_SECONDS = 300
ISSUED_WITHIN = "30m"
"""Longest wait. With its validation records in DNS a certificate is issued within minutes; without them never."""


@dataclass(frozen=True)
class CertificateArgs:
    """Arguments of `Certificate`.

    Args:
        names: Domain names, the first one as common name; the same names in both regions.
        region: The load balancer's region.
        zone_id: ID of the hosted zone for validation records; None if the other stack creates them.
        tags: Tags of the certificate.

    Raises:
        ValueError: Names are missing or repeated.
    """

    names: Sequence[str]
    region: str
    zone_id: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(
                f"certificate names {list(self.names)}: at least one name is required, and names must be unique; "
                "correct the list"
            )


class Certificate(pulumi.ComponentResource):
    """An ACM certificate, its validation records if `zone_id` is set, and the wait until it is issued.

    Attributes:
        arn: The certificate's ARN; resolves when the certificate is issued.
    """

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dr:traffic:Certificate", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        certificate = acm.Certificate(
            name,
            domain_name=args.names[0],
            subject_alternative_names=list(args.names[1:]),
            validation_method="DNS",
            region=args.region,
            tags=dict(args.tags),
            opts=own,
        )
        records = []
        if args.zone_id is not None:
            options = certificate.domain_validation_options
            records = [self._record(name, each, args.zone_id, options) for each in args.names]
        validation = acm.CertificateValidation(
            f"{name}-issued",
            certificate_arn=certificate.arn,
            region=args.region,
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=records, custom_timeouts=pulumi.CustomTimeouts(create=ISSUED_WITHIN)
            ),
        )
        self.arn = validation.certificate_arn
        self.register_outputs({"arn": self.arn})

    def _record(
        self,
        name: str,
        domain: str,
        zone_id: pulumi.Input[str],
        options: pulumi.Output[Sequence[acm.outputs.CertificateDomainValidationOption]],
    ) -> route53.Record:
        """Create the validation record of a domain name, found by name because the order of the options varies."""

        def option(attribute: str) -> pulumi.Output[str]:
            return options.apply(
                lambda all_: next(str(getattr(each, attribute)) for each in all_ if each.domain_name == domain)
            )

        return route53.Record(
            f"{name}-{domain}",
            zone_id=zone_id,
            name=option("resource_record_name"),
            type="CNAME",
            ttl=RECORD_TTL_SECONDS,
            records=[option("resource_record_value")],
            # The record exists where the zone has served another certificate of the same name: ACM requires the same
            # record for each certificate of a name in an account (ACM user guide, "DNS validation").
            allow_overwrite=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
