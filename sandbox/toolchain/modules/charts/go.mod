// Modules that chart archives take published files from. No Go code is built from them.
module ml-dr/sandbox/charts

go 1.26.1

require (
	github.com/aws/karpenter-provider-aws v1.11.0
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.30.8
)
