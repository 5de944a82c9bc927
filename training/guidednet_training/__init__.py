"""Headless training, inference and project backend of GuidedNet."""

__version__ = "0.1.0"
