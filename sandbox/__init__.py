"""A local AWS that `pulumi up` can deploy to. Nothing of the product imports this; without it the product works."""
