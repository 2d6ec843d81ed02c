"""The command line: `totalseg-mcp serve`, `demo`, `weights`.

A command imports what it needs when it is called, so that the server lists its tools
soon after its start and `--version` answers at once.
"""

import logging
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from totalseg_mcp.engine.errors import EngineError
from totalseg_mcp.server.settings import BadSettingsError, settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what it was asked."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.command(arguments))
    except (BadSettingsError, EngineError) as error:
        sys.stderr.write(f"totalseg-mcp: {error}\n")
        return 2 if isinstance(error, BadSettingsError) else 1
    except KeyboardInterrupt:
        return 130


def parser() -> ArgumentParser:
    """What may be on the command line; `command` is the function to call with it."""
    top = ArgumentParser(prog="totalseg-mcp", description="TotalSegmentator as an MCP server.")
    top.add_argument("--version", action="version", version=version("totalseg-mcp"))
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve MCP on stdin and stdout, or on HTTP"))
    _add_demo(commands.add_parser("demo", help="segment a scan with the demonstration models"))
    _add_weights(commands.add_parser("weights", help="fetch TotalSegmentator's models, list them"))
    return top


def _add_serve(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--weights", metavar="demo|DIR", help="the models to use [TOTALSEG_MCP_WEIGHTS]"
    )
    parser.add_argument(
        "--allow",
        metavar="DIR",
        action="append",
        help="a folder that jobs may read and write; may be repeated; "
        "without it they may use all folders [TOTALSEG_MCP_ALLOW]",
    )
    parser.add_argument(
        "--device",
        help="for calls that do not name one: gpu (or what there is), gpu:N, cpu, mps "
        "[TOTALSEG_MCP_DEVICE]",
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        help="serve streamable HTTP at /mcp there; clients send TOTALSEG_MCP_TOKEN, if it is "
        "set, as their bearer token",
    )
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="info"
    )
    parser.set_defaults(command=_serve)


def _add_demo(parser: ArgumentParser) -> None:
    parser.add_argument(
        "image", nargs="?", type=Path, help="a scan of your own; a phantom is scanned without it"
    )
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR")
    parser.add_argument("--weights", default="demo", metavar="demo|DIR", help="the models to use")
    parser.set_defaults(command=_demo)


def _add_weights(parser: ArgumentParser) -> None:
    whither = ArgumentParser(add_help=False)
    whither.add_argument(
        "--weights", type=Path, metavar="DIR", help="not where TotalSegmentator keeps its models"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fetch = commands.add_parser("fetch", parents=[whither], help="fetch what a task needs")
    fetch.add_argument("task", metavar="TASK")
    resolution = fetch.add_mutually_exclusive_group()
    for name in ("fast", "fastest"):
        resolution.add_argument(f"--{name}", dest="resolution", action="store_const", const=name)
    fetch.set_defaults(command=_fetch_weights, resolution="default")
    listing = commands.add_parser("list", parents=[whither], help="list which are here")
    listing.set_defaults(command=_list_weights)


def _serve(arguments: Namespace) -> int:
    chosen = settings(arguments, os.environ)
    logging.basicConfig(
        stream=sys.stderr,
        level=chosen.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    from totalseg_mcp.server.serving import serve

    serve(chosen)
    return 0


def _demo(arguments: Namespace) -> int:
    from totalseg_mcp.server.demo import demo

    return demo(arguments.image, arguments.output, arguments.weights)


def _fetch_weights(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import fetch_weights

    return fetch_weights(arguments.task, arguments.resolution, arguments.weights)


def _list_weights(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import list_weights

    return list_weights(arguments.weights)
