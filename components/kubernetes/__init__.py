"""What runs inside a cluster: manifests as plain values (`*_spec.py`), and components that make objects of them."""
