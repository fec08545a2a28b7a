// Package fieldpath makes version 4 of structured-merge-diff, which the plugin imports, version 6, which the Kubernetes
// of the sandbox and all its other modules use: both in one program would be types that cannot be assigned.
package fieldpath

import "sigs.k8s.io/structured-merge-diff/v6/fieldpath"

type (
	// Path leads to a field.
	Path = fieldpath.Path
	// PathElement is a step of a path.
	PathElement = fieldpath.PathElement
	// Set is a set of fields.
	Set = fieldpath.Set
)

var (
	// MakePath makes a path of its steps.
	MakePath = fieldpath.MakePath
	// NewSet makes a set of paths.
	NewSet = fieldpath.NewSet
)
