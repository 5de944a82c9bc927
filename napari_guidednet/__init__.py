"""Napari plugin of GuidedNet: annotate abdominal CT, retrain, compare, promote."""

__version__ = "0.1.0"
