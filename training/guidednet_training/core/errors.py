"""The one exception a user's mistake becomes: what was given, what was wanted, what to do."""


class GuidedNetError(Exception):
    """A mistake or a fault that a user can act upon.

    Parameters
    ----------
    message : str
        One sentence: what was given and what was wanted.
    hint : str, optional
        What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class FileError(GuidedNetError):
    """A file or folder cannot be read, trusted or written."""


class DamagedError(FileError):
    """What is kept of a case on disk is damaged; `case_repair` opens it with what is whole."""


class GeometryError(GuidedNetError):
    """Grids or affines that are unusable or do not belong together."""


class SchemeError(GuidedNetError):
    """Labels or organs that a scheme does not know."""


class ProjectError(GuidedNetError):
    """A project folder is missing, damaged, locked or used against its rules."""


class BundleError(GuidedNetError):
    """A model bundle is damaged, of another version or unfit for the request."""


class SpecError(GuidedNetError):
    """A training specification is wrong: unknown key, impossible value."""
