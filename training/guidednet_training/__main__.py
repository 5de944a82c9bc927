"""`python -m guidednet_training` is the command `guidednet`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
