// The Kubernetes plugin of Pulumi, as its module has it; the main package of that module lacks files that its own build
// generates. What this one adds: it ends with its engine, and it trusts the sandbox's authority where SSL_CERT_FILE
// names it.
package main

//go:debug x509usefallbackroots=1

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

const pollParent = time.Second

func main() {
	go endWith(os.Getppid())
	if path := os.Getenv("SSL_CERT_FILE"); path != "" {
		trust(path)
	}
	provider.Serve("kubernetes", version.Version, beside("schema.json"), beside("terraform-mapping.json"))
}

// endWith ends this process when its parent is gone: an engine that is killed tells its plugins nothing.
func endWith(parent int) {
	for os.Getppid() == parent {
		time.Sleep(pollParent)
	}
	os.Exit(1)
}

// trust makes the certificates in a file the only roots. Go reads SSL_CERT_FILE by itself on Linux, and not on macOS.
// Without the file no host is trusted, as there.
func trust(path string) {
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(path); err == nil {
		roots.AppendCertsFromPEM(pem)
	}
	x509.SetFallbackRoots(roots)
}

// beside reads a file that was put where this program is; without it, what needs it fails and nothing else.
func beside(name string) []byte {
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(program), name))
	if err != nil {
		return nil
	}
	return content
}
