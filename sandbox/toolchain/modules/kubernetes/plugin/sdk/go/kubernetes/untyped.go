// Package kubernetes stands for the plugin's Go SDK, of which the plugin itself uses only what is in this module.
//
// The SDK has a Go type for every kind: a third of the time that the plugin takes to build, for components (Chart v4,
// ConfigFile v2, ConfigGroup v2, Directory v2) that this project does not use and that this build refuses.
package kubernetes

import "reflect"

// UntypedArgs are the properties of an object of any kind.
type UntypedArgs map[string]any

// ElementType makes them an input.
func (UntypedArgs) ElementType() reflect.Type { return reflect.TypeFor[map[string]any]() }
