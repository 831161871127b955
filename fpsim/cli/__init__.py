"""The command line: ``fpsim list | show | new | run | resume | sweep | compare | plot | animate | report | info ...``.

Exit status: 0 on success; 1 when something asked to be strict fell short; 2 on bad use, bad input or a full disk (one
line on standard error); 130 when interrupted (one line that says what is kept); 141 when the reader of the output has
gone; 70 on an error of the package itself
(one line; the traceback is shown if the environment variable FPSIM_TRACEBACK is set).
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from fpsim.cli.terminal import lead_nowhere, open_standard_streams, printable

__all__ = ["main"]

INTERNAL, INTERRUPTED, PIPE_CLOSED = 70, 130, 141
COMMANDS = ("scenario_commands", "run_commands", "sweep_commands", "judge_commands", "file_commands")
"""Modules that add their commands to the application, in the order of the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    import logging

    # Read when numpy is first imported: threads of its own for matrices this small cost more than they save.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from fpsim.support.errors import FpsimError

    open_standard_streams()
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        for module in COMMANDS:
            importlib.import_module(f"fpsim.cli.{module}")
        from fpsim.cli.application import app

        answer = app(args=None if argv is None else list(argv), prog_name="fpsim", standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2 * bool(stop.code)
    except BrokenPipeError:  # whoever read our output has enough of it
        lead_nowhere(sys.stdout)
        return PIPE_CLOSED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except FpsimError as error:
        _say(str(error))
        return 2
    except UnicodeError as error:  # an argument that is no text
        _say(f"an argument or name is no text ({error.reason if hasattr(error, 'reason') else error})")
        return 2
    except OSError as error:  # a path that the system refuses in a way that nobody foresaw
        lead_nowhere(sys.stdout)
        _say(f"{error.filename or 'a file or standard output'}: {error.strerror or error}; another place is accepted")
        return 2
    except MemoryError as error:
        _say(f"not enough memory ({error}): fewer replicas, cells or records need less")
        return 2
    except Exception as error:  # a user gets one line, whatever it was
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            return _say_usage(error)
        if os.environ.get("FPSIM_TRACEBACK"):
            raise
        _say(f"error inside fpsim, please report it: {type(error).__name__}: {error} (FPSIM_TRACEBACK=1 shows where)")
        return INTERNAL
    return answer if isinstance(answer, int) else 0


def _say_usage(error: Any) -> int:
    """One line for what the parser refuses; the help for a command without arguments."""
    if "NoArgsIsHelp" in type(error).__name__:
        error.show()
    else:
        command = error.ctx.command_path if getattr(error, "ctx", None) else "fpsim"
        _say(f"{error.format_message()} ({command} --help shows what is accepted)")
    return int(error.exit_code)


def _say(message: str) -> None:
    """One line, whatever characters a file name or a key brought into the message."""
    line = " ".join(printable(message).split())
    with contextlib.suppress(OSError):
        sys.stderr.write(f"fpsim: {line.encode(errors='replace').decode()}\n")
        sys.stderr.flush()
