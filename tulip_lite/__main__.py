"""The command line: python -m tulip_lite data · train · attack · bound · certify · bench."""

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

    attack = commands.add_parser(
        "attack", help="find the nearest adversarial images of a trained network; a killed run goes on"
    )
    attack.add_argument("recipe", choices=list(recipes.RECIPES), metavar="RECIPE", help=", ".join(recipes.RECIPES))
    attack.add_argument("--profile", choices=list(recipes.PROFILES), default="pocket")
    attack.add_argument("--norm", choices=["l2", "linf"], default="l2", help="of the perturbation (default: l2)")
    attack.add_argument("--suite", choices=["quick", "paper", "thorough"], default="quick", help="default: quick")
    attack.add_argument(
        "--images", type=int, default=1000, help="how many test images, of each class as many (default: 1000)"
    )
    attack.add_argument("--data", help="as TULIP_DATA; by default TULIP_DATA, else the profile's data set")
    attack.add_argument(
        "--seed", type=int, default=0, help="of the attacks; which images are attacked does not depend on it"
    )
    attack.add_argument("--no-warm", dest="warm", action="store_false", help="each attack stands alone")
    attack.add_argument("--batch-size", type=int, default=250, help="images stored at a time (default: 250)")
    attack.add_argument("--threads", type=int, help="CPU threads; by default as many as there are cores")
    attack.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")
    attack.add_argument("--runs", type=Path, default=Path("runs"), help="folder of unfinished runs (default: runs)")

    bound = commands.add_parser("bound", help="measure what the bounds of a trained network need; a killed run goes on")
    certify = commands.add_parser(
        "certify", help="certify a trained network by randomised smoothing; a killed run goes on"
    )
    for command, images in ((bound, 1000), (certify, 500)):
        command.add_argument("recipe", choices=list(recipes.RECIPES), metavar="RECIPE", help=", ".join(recipes.RECIPES))
        command.add_argument("--profile", choices=list(recipes.PROFILES), default="pocket")
        command.add_argument("--images", type=int, default=images, help=f"how many test images (default: {images})")
        command.add_argument("--data", help="as TULIP_DATA; by default TULIP_DATA, else the profile's data set")
        command.add_argument("--seed", type=int, default=0)
        command.add_argument("--threads", type=int, help="CPU threads; by default as many as there are cores")
        command.add_argument(
            "--runs", type=Path, default=Path("runs"), help="folder of unfinished runs (default: runs)"
        )
    bound.add_argument(
        "--local", type=int, default=100, help="around how many of them L and C are searched for (default: 100)"
    )
    certify.add_argument("--sigma", type=float, default=0.25, help="of the noise, pixel units (default: 0.25)")
    certify.add_argument("--n0", type=int, default=100, help="noisy copies that pick the class (default: 100)")
    certify.add_argument("--n", type=int, default=1000, help="noisy copies that bound its probability (default: 1000)")
    certify.add_argument("--alpha", type=float, default=0.001, help="chance of an error, an image (default: 0.001)")
    certify.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")

    bench = commands.add_parser("bench", help="what training and measuring cost, as ratios measured in one run")
    bench.add_argument(
        "what", choices=["activations", "curvature", "objectives", "attacks", "logbarrier", "autoattack"]
    )
    bench.add_argument("--threads", type=int, help="CPU threads; by default as many as there are cores")
    compared = bench.add_argument_group("attacks, logbarrier and autoattack, where a killed run goes on")
    compared.add_argument("--images", type=int, default=32, help="how many test images are attacked (default: 32)")
    compared.add_argument("--data", help="as TULIP_DATA; by default TULIP_DATA, else cifar10")
    compared.add_argument("--runs", type=Path, default=Path("runs"), help="folder of finished parts (default: runs)")

    chosen = parser.parse_args(arguments)
    try:
        if getattr(chosen, "threads", None):
            import torch

            torch.set_num_threads(chosen.threads)
        COMMANDS[chosen.command](chosen)
    except (ValueError, TypeError, OSError, FloatingPointError, ImportError) as error:
        print(f"{parser.prog} {chosen.command}: {error.strerror if _plain(error) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        steps = {"train": "epoch", "attacks": "attack", "logbarrier": "attack", "autoattack": "attack"}
        steps |= {name: "batch of images" for name in ("attack", "bound", "certify")}
        step = steps.get(getattr(chosen, "what", chosen.command))
        print(
            "stopped" + (f"; the same command goes on from the last finished {step}" if step else ""), file=sys.stderr
        )
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
    from tulip_lite import experiment

    recipe, profile = recipes.get(chosen.recipe), recipes.profile(chosen.profile)
    folder = experiment.run(recipe, profile, chosen.data, chosen.seed, chosen.device, chosen.runs)
    print(f"stored in {folder}")


def _attack(chosen: argparse.Namespace) -> None:
    from tulip_lite import attack_experiment

    path = attack_experiment.run(
        recipes.get(chosen.recipe), recipes.profile(chosen.profile), chosen.norm, chosen.suite, source=chosen.data,
        images=chosen.images, seed=chosen.seed, warm=chosen.warm, batch_size=chosen.batch_size, device=chosen.device,
        runs=chosen.runs,
    )  # fmt: skip
    print(f"stored in {path}")


def _bound(chosen: argparse.Namespace) -> None:
    from tulip_lite import bound_experiment

    path = bound_experiment.run(
        recipes.get(chosen.recipe), recipes.profile(chosen.profile), source=chosen.data, images=chosen.images,
        local=chosen.local, seed=chosen.seed, runs=chosen.runs,
    )  # fmt: skip
    print(f"stored in {path}")


def _certify(chosen: argparse.Namespace) -> None:
    from tulip_lite import smoothing_experiment

    path = smoothing_experiment.run(
        recipes.get(chosen.recipe), recipes.profile(chosen.profile), chosen.sigma, source=chosen.data,
        images=chosen.images, n0=chosen.n0, n=chosen.n, alpha=chosen.alpha, seed=chosen.seed, device=chosen.device,
        runs=chosen.runs,
    )  # fmt: skip
    print(f"stored in {path}")


def _bench(chosen: argparse.Namespace) -> None:
    from tulip_lite import attack_bench, bench

    if chosen.what in attack_bench.BENCHMARKS:
        print(attack_bench.BENCHMARKS[chosen.what](chosen.images, chosen.data, chosen.runs))
    else:
        print(bench.BENCHMARKS[chosen.what]())


COMMANDS = {
    "data": _data,
    "train": _train,
    "attack": _attack,
    "bound": _bound,
    "certify": _certify,
    "bench": _bench,
}

if __name__ == "__main__":
    sys.exit(main())
