"""The command line: python -m tulip_lite data · train · attack · bound · certify · bench.

A command is a function of `experiments`: its signature is its options, its docstring what `--help` says.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cyclopts import App, CycloptsError

from tulip_lite.data import download, load
from tulip_lite.experiments import attack, bound, certify, comparison, costs, train

PROGRAM = "python -m tulip_lite"
# what a stopped command has finished, and does not do again
STEPS = {"train": "epoch", "attack": "batch of images", "bound": "batch of images", "certify": "batch of images"}
STEPS |= dict.fromkeys(("bench attacks", "bench logbarrier", "bench autoattack"), "attack")


def data(name: Literal["cifar10", "cifar100"]) -> str:
    """Downloads CIFAR-10 or CIFAR-100 into data/, checksum checked.

    Args:
        name: Which of the two.

    Returns:
        Where it is, and what it holds.
    """
    return f"{name} is in {download(name)}\n{load(name)}"


def commands() -> App:
    """The data set, the experiments and the benchmarks, by name."""
    # a stopped command is ours to explain
    app = App(name=PROGRAM, help="The Tulip book's experiments.", version_flags=[], suppress_keyboard_interrupt=False)
    app.command(data)
    for name, experiment in {"train": train, "attack": attack, "bound": bound, "certify": certify}.items():
        app.command(experiment.run, name=name)
    bench = App(name="bench", help="What training, measuring and attacking cost, as ratios measured in one run.")
    for name, benchmark in {**costs.BENCHMARKS, **comparison.BENCHMARKS}.items():
        bench.command(benchmark, name=name)
    app.command(bench)
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: By default the process's.

    Returns:
        The exit status: 0, 1 for an error, 2 for a command or option that cannot be, 130 if stopped.
    """
    app, given = commands(), list(sys.argv[1:] if arguments is None else arguments)
    command = " ".join(app.parse_commands(given)[0])
    called = f"{PROGRAM} {command}".strip()
    try:
        found = app(given, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        print(f"{called}: {_line(error)}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        print(f"{called}: {_message(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = f"; the same command goes on from the last finished {STEPS[command]}" if command in STEPS else ""
        print(f"stopped{goes_on}", file=sys.stderr)
        return 130
    if found is not None:
        print(f"stored in {found}" if isinstance(found, Path) else found)
    return 0


def _line(error: CycloptsError) -> str:
    return " ".join(str(error).split())


def _message(error: Exception) -> str:
    # our own OSErrors carry their whole message; str() would put the error number before it
    if isinstance(error, OSError) and error.strerror and error.filename is None:
        return error.strerror
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
