"""What speaks: the verbs of the command `guidednet`."""

from .main import main

__all__ = ["main"]
