"""The command line: `totalseg-mcp serve`, `demo`, `weights`, `cache`.

A command imports what it needs when it is called, so that the server lists its tools
soon after its start and `--version` answers at once.
"""

import gc
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from totalseg_mcp.engine.errors import EngineError
from totalseg_mcp.engine.heap import keep_freed
from totalseg_mcp.server.cache import add_cache
from totalseg_mcp.server.log import start_log
from totalseg_mcp.server.options import add_sources, add_weights
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
    except BrokenPipeError:  # whoever reads the output has seen enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> ArgumentParser:
    """What may be on the command line; `command` is the function to call with it."""
    top = ArgumentParser(prog="totalseg-mcp", description="TotalSegmentator as an MCP server.")
    top.add_argument("--version", action="version", version=version("totalseg-mcp"))
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve MCP on stdin and stdout, or on HTTP"))
    _add_demo(commands.add_parser("demo", help="segment a scan with the demonstration models"))
    add_weights(commands.add_parser("weights", help="fetch TotalSegmentator's models, list them"))
    add_cache(commands.add_parser("cache", help="finished label maps: how many, forget them"))
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
        "--cpu",
        metavar="auto|torch|openvino|winograd",
        help="what computes networks on a CPU; without it torch, which is exact; auto: what is "
        "fastest of what is installed [TOTALSEG_MCP_CPU]",
    )
    parser.add_argument(
        "--http",
        metavar="HOST:PORT",
        help="serve streamable HTTP at /mcp there; clients send TOTALSEG_MCP_TOKEN, if it is "
        "set, as their bearer token",
    )
    parser.add_argument(
        "--fetch-weights",
        action="store_true",
        help="let calls fetch the weights that they lack [TOTALSEG_MCP_FETCH=1]",
    )
    add_sources(parser)
    _add_keeping(parser)
    parser.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], default="info"
    )
    parser.set_defaults(command=_serve)


def _add_keeping(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="how much memory of the machine loaded networks may keep between calls, such as "
        "4GiB; 0 keeps none; without it an eighth of what there is [TOTALSEG_MCP_MEMORY]",
    )
    parser.add_argument(
        "--gpu-memory",
        metavar="SIZE",
        help="the same for each GPU; without it a quarter of what it has [TOTALSEG_MCP_GPU_MEMORY]",
    )
    parser.add_argument(
        "--no-weights-cache",
        action="store_true",
        help="read checkpoints themselves each time, and write no copies of them "
        "[TOTALSEG_MCP_NO_WEIGHTS_CACHE=1]",
    )
    parser.add_argument(
        "--warm-up",
        metavar="TASK[:fast|:fastest],…",
        help="load the networks of these tasks soon after the start [TOTALSEG_MCP_WARM_UP]",
    )
    parser.add_argument(
        "--results-cache",
        metavar="SIZE",
        help="remember finished label maps of at most so much, such as 500MiB; 0 for none; "
        "2GiB without it [TOTALSEG_MCP_RESULTS_CACHE]",
    )


def _add_demo(parser: ArgumentParser) -> None:
    parser.add_argument(
        "image", nargs="?", type=Path, help="a scan of your own; a phantom is scanned without it"
    )
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR")
    parser.add_argument("--weights", default="demo", metavar="demo|DIR", help="the models to use")
    parser.set_defaults(command=_demo)


def _serve(arguments: Namespace) -> int:
    keep_freed()
    chosen = settings(arguments, os.environ)
    start_log(chosen.log_level)
    gc.disable()  # modules stay: to look for garbage among them took a tenth of the start
    from totalseg_mcp.server.serving import serve

    gc.freeze()
    gc.enable()
    serve(chosen)
    return 0


def _demo(arguments: Namespace) -> int:
    from totalseg_mcp.server.demo import demo

    return demo(arguments.image, arguments.output, arguments.weights)
