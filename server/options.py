"""The command line of `totalseg-mcp weights`, and the options about servers of weights."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from totalseg_mcp.server.settings import sources


def add_sources(parser: ArgumentParser) -> None:
    """Where weights may come from; for every command that may fetch some."""
    parser.add_argument(
        "--offline", action="store_true", help="connect to nothing [TOTALSEG_MCP_OFFLINE=1]"
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="a mirror of TotalSegmentator's releases on GitHub [TOTALSEG_MCP_WEIGHTS_URL]",
    )
    parser.add_argument(
        "--ts2d-url",
        metavar="URL",
        help="a mirror of TotalSegmentator 2D's records on Zenodo [TOTALSEG_MCP_TS2D_URL]",
    )
    parser.add_argument(
        "--lock",
        metavar="FILE",
        help="the digests that archives are held to; without it weights.lock beside the models "
        "[TOTALSEG_MCP_LOCK]",
    )


def add_weights(parser: ArgumentParser) -> None:
    """`list`, `fetch`, `verify`, `import`, `path`."""
    shared = ArgumentParser(add_help=False)
    shared.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="not where TotalSegmentator and ts2d keep their models",
    )
    add_sources(shared)
    shared.set_defaults(fetch_weights=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[shared], help="list which are here")
    listing.set_defaults(command=_list)
    fetch = commands.add_parser("fetch", parents=[shared], help="fetch what tasks need")
    fetch.add_argument(
        "names", metavar="TASK", nargs="+", help="tasks, and 2-D models such as ts2d-v2"
    )
    fetch.add_argument(
        "--groups",
        metavar="NAME,…",
        default="",
        help="only these networks of the 2-D models, such as ribs,organs",
    )
    resolution = fetch.add_mutually_exclusive_group()
    for name in ("fast", "fastest"):
        resolution.add_argument(f"--{name}", dest="resolution", action="store_const", const=name)
    fetch.set_defaults(command=_fetch, resolution="default")
    verify = commands.add_parser(
        "verify", parents=[shared], help="compare what is here with what came"
    )
    verify.set_defaults(command=_verify)
    bring = commands.add_parser(
        "import", parents=[shared], help="take models from an archive or a folder"
    )
    bring.add_argument("source", metavar="PATH", type=Path)
    bring.set_defaults(command=_import)
    path = commands.add_parser("path", parents=[shared], help="say where the models are")
    path.set_defaults(command=_path)


def _list(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import list_weights

    return list_weights(arguments.weights, sources(arguments, os.environ))


def _fetch(arguments: Namespace) -> int:
    from totalseg_mcp.server.wanted import wanted
    from totalseg_mcp.server.weights import fetch_weights

    chosen = sources(arguments, os.environ)
    groups = [name.strip() for name in arguments.groups.split(",") if name.strip()]
    parcels = wanted(arguments.names, arguments.resolution, groups)
    return fetch_weights(parcels, arguments.weights, chosen)


def _verify(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import verify_weights

    return verify_weights(arguments.weights, sources(arguments, os.environ))


def _import(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import import_weights

    return import_weights(arguments.source, arguments.weights, sources(arguments, os.environ))


def _path(arguments: Namespace) -> int:
    from totalseg_mcp.server.weights import show_path

    return show_path(arguments.weights)
