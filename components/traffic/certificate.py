"""Certificate: one ACM certificate a region, proved by records in the zone that both regions share.

ACM asks for the same record for a name in every region of an account (ACM user guide, "DNS validation"), so the
records that the primary stack makes prove the recovery region's certificate too: that stack makes no record for it, and
renewal goes on by itself while the primary region is gone. Free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_aws import acm, route53

RECORD_TTL_SECONDS = 300
ISSUED_WITHIN = "30m"
"""How long to wait. With its records in DNS a certificate is issued within minutes; without them never."""


@dataclass(frozen=True)
class CertificateArgs:
    """Arguments of `Certificate`.

    Args:
        names: The names it is for, the first one its own; the same names in both regions.
        region: The load balancer's region.
        zone_id: The zone to prove the names in; None where the other stack does that.
        tags: Tags of the certificate.
    """

    names: Sequence[str]
    region: str
    zone_id: pulumi.Input[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names or len(set(self.names)) < len(self.names):
            raise ValueError(f"a certificate for {list(self.names)}: it needs one or more names, each of them once")


class Certificate(pulumi.ComponentResource):
    """A certificate that is issued.

    Attributes:
        arn: The certificate's ARN, known once it is issued.
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
        proved: str,
        zone_id: pulumi.Input[str],
        options: pulumi.Output[Sequence[acm.outputs.CertificateDomainValidationOption]],
    ) -> route53.Record:
        """The record of one name: found by the name, since the order of the options is not known before."""

        def of(answer: str) -> pulumi.Output[str]:
            return options.apply(
                lambda all_: next(str(getattr(each, answer)) for each in all_ if each.domain_name == proved)
            )

        return route53.Record(
            f"{name}-{proved}",
            zone_id=zone_id,
            name=of("resource_record_name"),
            type="CNAME",
            ttl=RECORD_TTL_SECONDS,
            records=[of("resource_record_value")],
            opts=pulumi.ResourceOptions(parent=self),
        )
