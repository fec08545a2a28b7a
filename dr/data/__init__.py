"""Data that inference needs: model sets, and the copy of the model registry."""
