"""Components for Kubernetes objects; modules `*_spec.py` hold their manifests as plain values."""
