"""`python -m benchmarks [--only NAME] [--json]`: run the benchmarks and print one table."""

import argparse
import asyncio
import sys
from importlib import import_module

import msgspec

from benchmarks.harness import Figure, machine

NAMES = ("decode", "call", "walk", "readahead", "many")


def main() -> None:
    """Run what is asked for, each in an event loop of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="run one of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in [arguments.only] if arguments.only else NAMES:
        print(f"running {name} …", file=sys.stderr, flush=True)
        figures += asyncio.run(import_module(f"benchmarks.{name}").run())
    if arguments.json:
        print(msgspec.json.encode({"machine": machine(), "figures": figures}).decode())
    else:
        print_table(figures)


def print_table(figures: list[Figure]) -> None:
    """Print a line for each figure: median, spread, unit, goal."""
    print(machine())
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        goal = f"goal {figure.goal}: {'met' if figure.met else 'NOT met'}" if figure.goal else ""
        spread = f"({figure.low:.3g} to {figure.high:.3g})"
        print(f"{figure.name:<{width}}  {figure.median:>8.3g} {figure.unit:<12} {spread:<20} {goal}".rstrip())


if __name__ == "__main__":
    main()
