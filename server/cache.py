"""The command line of `totalseg-mcp cache`: the label maps that servers of this user remember."""

import os
import sys
from argparse import ArgumentParser, Namespace

MIB = 1 << 20


def add_cache(parser: ArgumentParser) -> None:
    """`path`, `size`, `clear`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    path = commands.add_parser("path", help="say where they are")
    path.set_defaults(command=_path)
    size = commands.add_parser("size", help="say how many there are, and how large")
    size.set_defaults(command=_size)
    clear = commands.add_parser("clear", help="remove all of them")
    clear.set_defaults(command=_clear)


def _path(_: Namespace) -> int:
    from totalseg_mcp.engine.caches import cache_folder

    return _say(str(cache_folder(os.environ, "results")))


def _size(_: Namespace) -> int:
    from totalseg_mcp.engine.caches import cache_folder
    from totalseg_mcp.engine.results import Results

    usage = Results(cache_folder(os.environ, "results")).usage()
    return _say(f"{usage.entries} label maps, {usage.nbytes / MIB:.1f} MiB")


def _clear(_: Namespace) -> int:
    from totalseg_mcp.engine.caches import cache_folder
    from totalseg_mcp.engine.results import Results

    usage = Results(cache_folder(os.environ, "results")).clear()
    return _say(f"removed {usage.entries} label maps, {usage.nbytes / MIB:.1f} MiB")


def _say(line: str) -> int:
    sys.stdout.write(f"{line}\n")
    return 0
