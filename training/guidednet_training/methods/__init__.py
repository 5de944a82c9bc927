"""What teaches: one small file per method behind one protocol."""

from __future__ import annotations

from ..core.errors import SpecError
from .base import Method
from .cld import CLD
from .context_cps import ContextCPS
from .contract import Clock, Losses, MethodContext, Needs, OwnOptimiser
from .cps import CPS
from .dan import DAN
from .dhc import DHC
from .dkuxnet import DKUXNetMethod
from .dtc import DTC
from .guidednet import GuidedNet
from .magicnet import MagicNet
from .mean_teacher import MeanTeacher
from .sassnet import SASSnet
from .self_training import SelfTraining
from .settings import RoundSettings, Settings
from .supervised import Supervised
from .ua_mt import UncertaintyAwareMeanTeacher

METHODS: dict[str, type[Method]] = {
    "supervised": Supervised,
    "mean_teacher": MeanTeacher,
    "ua_mt": UncertaintyAwareMeanTeacher,
    "dan": DAN,
    "sassnet": SASSnet,
    "dtc": DTC,
    "cps": CPS,
    "context_cps": ContextCPS,
    "cld": CLD,
    "dhc": DHC,
    "magicnet": MagicNet,
    "guidednet": GuidedNet,
    "self_training": SelfTraining,
    "dkuxnet": DKUXNetMethod,
}


def build_method(name: str, settings: dict[str, object], context: MethodContext) -> Method:
    """Build a method of the registry.

    Raises
    ------
    SpecError
        When the name or a setting is unknown.
    """
    if name not in METHODS:
        raise SpecError(f"Unknown method '{name}'.", f"Known methods: {', '.join(METHODS)}.")
    kind = METHODS[name]
    return kind(context, kind.Settings.parse(dict(settings), origin=f"settings of {name}"))


__all__ = [
    "METHODS",
    "Clock",
    "Losses",
    "Method",
    "MethodContext",
    "Needs",
    "OwnOptimiser",
    "RoundSettings",
    "Settings",
    "build_method",
]
