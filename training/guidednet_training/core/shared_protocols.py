"""Training protocols that several papers share, as dotted values of a training specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LA_PATCHES: Mapping[str, Any] = {
    "patch.size": (80, 112, 112),
    "patch.window": (80, 112, 112),
    "patch.labelled": 2,
    "patch.unlabelled": 2,
}
"""Patches of the left atrium benchmark: two labelled and two unlabelled ones a step."""

LA_VNET: Mapping[str, Any] = {
    "net.name": "vnet",
    "net.norm": "batch",
    "net.dropout": 0.5,
    "optim.lr": 0.01,
    "optim.schedule": "tenths",
    "steps": 6000,
    "settings.ramp": "full",
    **LA_PATCHES,
}
"""The V-Net protocol of the left atrium benchmark (UA-MT and the papers that compare with it)."""
