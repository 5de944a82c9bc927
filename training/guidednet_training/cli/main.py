"""The command `guidednet`: finds the verb, runs it, turns errors into messages and exit codes.

Exit codes: 0 done, 1 an error a person can act upon, 2 a wrong command line,
70 a bug (a report is written), 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import shlex
import sys
from collections.abc import Sequence

from .. import __version__
from ..core.errors import GuidedNetError
from . import (
    desktop,
    evaluating,
    exchange,
    experiment,
    models,
    predicting,
    projects,
    relocating,
    repairing,
    reporting,
    runs,
    training,
)

EPILOG = """\
a first day:
  guidednet demo                                  the whole loop on synthetic cases
  guidednet predict ct.nii.gz --out results       segment any CT with the starter model
  guidednet new my_project                        make a project
  guidednet import my_project dataset_folder      see the plan, then import
  guidednet train my_project --from starter       learn from labelled and unlabelled cases
  guidednet evaluate my_project                   the new model against the old, organ by organ
  guidednet promote my_project NAME               use the new model from now on
  guidednet predict ct.nii.gz --project my_project --out results     segment with it
  guidednet report my_project                     what the corrections cost, as a page
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and give the exit code.

    Parameters
    ----------
    argv : Sequence of str, optional
        The command line without the program's name; `sys.argv` when left out.
    """
    arguments = build_parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(arguments.act(arguments) or 0)
    except GuidedNetError as error:
        _say(f"Error: {error.message}")
        if error.hint:
            _say(f"Hint:  {error.hint}")
        return 1
    except KeyboardInterrupt:
        _say("Stopped. No half-written file was left behind.")
        return 130
    except BrokenPipeError:  # the reader of a pipe went away: not worth a word
        sys.stderr.close()
        return 1
    except PermissionError as error:  # of a place that the user named
        _say(f"Error: {error.filename or 'A file'} may not be read or written.")
        _say("Hint:  Check your rights on it and on the folders above it.")
        return 1
    except Exception as error:
        _report_bug(error, argv)
        return 70


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all verbs; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="guidednet",
        description="Segment abdominal CT, correct it, retrain with unlabelled cases, compare, promote.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"guidednet {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for family in (
        desktop, projects, exchange, predicting, training, evaluating, experiment, models, reporting,
        repairing, relocating, runs,
    ):  # fmt: skip
        family.register(verbs)
    return parser


def _report_bug(error: Exception, argv: Sequence[str] | None) -> None:
    from ..core.bug_report import bug_report, save_bug_report

    doing = shlex.join(["guidednet", *(sys.argv[1:] if argv is None else argv)])
    path = save_bug_report(error, doing)
    _say(f"This is a bug in guidednet ({type(error).__name__}: {error}).")
    _say(f"Please send the report: {path}" if path else bug_report(error, doing))


def _say(text: str) -> None:
    print(text, file=sys.stderr)
