"""The command line: python -m tulip_lite data · train · bench."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tulip_lite import recipes


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. arguments: by default the process's. Returns its exit status: 0, 1 for an error, 130 if stopped."""
    parser = argparse.ArgumentParser("python -m tulip_lite", description="The Tulip book's experiments")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    data = commands.add_parser("data", help="download CIFAR-10 or CIFAR-100 into data/")
    data.add_argument("name", choices=["cifar10", "cifar100"])

    train = commands.add_parser("train", help="train, measure and store one network; a killed run goes on")
    train.add_argument("recipe", choices=list(recipes.RECIPES), metavar="RECIPE", help=", ".join(recipes.RECIPES))
    train.add_argument("--profile", choices=list(recipes.PROFILES), default="pocket")
    train.add_argument("--data", help="as TULIP_DATA; by default TULIP_DATA, else the profile's data set")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=int, help="CPU threads; by default as many as there are cores")
    train.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")
    train.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the checkpoints (default: runs)")

    bench = commands.add_parser("bench", help="what training and measuring cost, as ratios measured in one run")
    bench.add_argument("what", choices=["activations", "curvature", "objectives"])

    chosen = parser.parse_args(arguments)
    try:
        COMMANDS[chosen.command](chosen)
    except (ValueError, TypeError, OSError, FloatingPointError) as error:
        print(f"{parser.prog} {chosen.command}: {error.strerror if _plain(error) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last finished epoch", file=sys.stderr)
        return 130
    return 0


def _plain(error: Exception) -> bool:
    # our own OSErrors carry their whole message; str() would put the error number before it
    return isinstance(error, OSError) and bool(error.strerror) and error.filename is None


def _data(chosen: argparse.Namespace) -> None:
    from tulip_lite import data

    print(f"{chosen.name} is in {data.download(chosen.name)}")
    print(data.load(chosen.name))


def _train(chosen: argparse.Namespace) -> None:
    import torch

    from tulip_lite import experiment

    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    recipe, profile = recipes.get(chosen.recipe), recipes.profile(chosen.profile)
    folder = experiment.run(recipe, profile, chosen.data, chosen.seed, chosen.device, chosen.runs)
    print(f"stored in {folder}")


def _bench(chosen: argparse.Namespace) -> None:
    from tulip_lite import bench

    print(bench.BENCHMARKS[chosen.what]())


COMMANDS = {"data": _data, "train": _train, "bench": _bench}

if __name__ == "__main__":
    sys.exit(main())
