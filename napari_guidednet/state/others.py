"""Whose labels the open case can be compared with: models, their networks and class mixtures, a vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..backend import MIXTURE, RECORD, FileError, GuidedNetError, ModelBundle, read_record
from .session import Session
from .taking import majority

VOTE = "vote"  # the key of what most of them say
TITLES = {MIXTURE: "class mixture"}  # of opinions that are neither models nor networks
_FEWEST = 3  # voters; of two none can be outvoted


@dataclass(frozen=True)
class Other:
    """Labels on disk.

    Attributes
    ----------
    bundle : str
        The model that gave them; "" where several did.
    title : str
        In words: "bundle-2, in use".
    network : str or None
        The network of that model that says so alone.
    opinion : str or None
        What else in that model says so: "mixture", its class mixture. It has no vote: it reads the
        features of the same networks, which would thereby count twice.
    voters : tuple of str
        Keys of those whose majority this is.
    """

    bundle: str
    title: str
    network: str | None = None
    opinion: str | None = None
    voters: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is asked for by: "bundle-2", "bundle-2/a", "bundle-2/mixture" or "vote"."""
        if self.voters:
            return VOTE
        part = self.network or self.opinion
        return self.bundle if part is None else f"{self.bundle}/{part}"


def others(session: Session) -> tuple[Other, ...]:
    """Give the models that have segmented the open case, the one in use first, their parts, the vote."""
    project, case = session.project, session.case
    if project is None or case is None:
        return ()
    current = project.current
    before = None if current is None else _parent(session, current)
    folder = project.prediction_folder(case.id, case.id).parent
    finished = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    ranked = sorted(finished, key=lambda name: (name != current, name != before))
    roles = {current: ", in use", before: ", the one before"}
    models = [Other(name, f"{name}{roles.get(name, '')}") for name in ranked]
    networks, opinions = [], []
    for name in ranked:
        record = read_record(session.opened.prediction_folder(case.id, name))
        if record is not None:
            networks += [Other(name, f"{name}, network {part}", network=part) for part in record.networks]
            opinions += [
                Other(name, f"{name}, {TITLES[part]}", opinion=part)
                for part in record.opinions
                if part in TITLES
            ]
    return (*models, *networks, *opinions, *_vote(models, networks))


def read_other(session: Session, case: str, key: str) -> npt.NDArray[np.uint8]:
    """Read what a model, one of its networks, its class mixture or the majority says (for a worker).

    Parameters
    ----------
    key : str
        Of an `Other` of the open case, or the name of a bundle.

    Returns
    -------
    array (z, y, x) of uint8
        In the scheme of the project, on the grid of the case.

    Raises
    ------
    GuidedNetError
        When there is no such prediction, or it is on another grid.
    """
    if key == VOTE:
        voters = next((other.voters for other in others(session) if other.voters), ())
        if not voters:
            raise FileError(
                f"Fewer than {_FEWEST} opinions on {case} are stored.", "Segment it with more models."
            )
        said = [read_other(session, case, voter) for voter in voters]
        return majority(said, said[0])
    bundle, _, part = key.partition("/")
    labels = session.load_labels(case, bundle, part or None)
    if labels is None:
        raise FileError(f"{bundle} has not segmented {case}.", "Segment the case with it first.")
    return np.asarray(labels.array, dtype=np.uint8)


def _vote(models: list[Other], networks: list[Other]) -> tuple[Other, ...]:
    """Give what most say: networks speak for their models, where their labels are stored."""
    apart = {network.bundle for network in networks}
    voters = tuple(other.key for other in (*models, *networks) if other.network or other.bundle not in apart)
    if len(voters) < _FEWEST:
        return ()
    return (Other("", f"majority of {len(voters)}", voters=voters),)


def _parent(session: Session, bundle: str) -> str | None:
    try:
        return ModelBundle.read(session.opened.bundle_folder(bundle)).manifest.parent
    except GuidedNetError:
        return None
