// Package v2 stands for the part of the SDK that registers the children of components.
package v2

import (
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RegisterResource refuses: components are not part of this build.
func RegisterResource(_ *pulumi.Context, apiVersion, kind, name string, _ pulumi.Input,
	_ ...pulumi.ResourceOption,
) (pulumi.CustomResource, error) {
	return nil, errors.New(apiVersion + " " + kind + " " + name + ": the sandbox's build of the Kubernetes plugin has no " +
		"component resources (Chart v4, ConfigFile v2, ConfigGroup v2, Directory v2); use a release or custom resources, " +
		"or put the plugin that `pulumi plugin install resource kubernetes` downloads in its place (DR_KUBERNETES_PLUGIN)")
}
