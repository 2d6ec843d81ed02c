"""The product's server with toy tools: `python toy_server.py [HOST:PORT [TOKEN]]`."""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from totalseg_mcp.engine.errors import BadRequestError
from totalseg_mcp.engine.session import Session
from totalseg_mcp.engine.watch import stage, track
from totalseg_mcp.schemas.result import Result
from totalseg_mcp.server.app import build
from totalseg_mcp.tools.tool import Tool


class Count(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tiles: Annotated[int, Field(ge=1, description="How many tiles to walk through.")] = 1
    pause_s: Annotated[float, Field(ge=0, description="Seconds that each tile takes.")] = 0.01
    task: Annotated[Literal["total", "lung_vessels"], Field(description="The task.")] = "total"
    title: Annotated[str | None, Field(description="A name like pydantic's own noise.")] = None
    trace: Annotated[str | None, Field(description="A file to note each tile in.")] = None


class Counted(Result):
    tiles: Annotated[int, Field(description="How many tiles there were.")]


class Break(BaseModel):
    model_config = ConfigDict(extra="forbid")

    how: Annotated[
        Literal["told", "bug", "exit", "print"], Field(description="What should go wrong.")
    ]


def count(arguments: Count, session: Session) -> Counted:
    with stage("counting", 0.0, 1.0):
        for tile in track(range(arguments.tiles), "tile"):
            if arguments.trace:
                with Path(arguments.trace).open("a") as file:
                    file.write(f"{tile}\n")
            time.sleep(arguments.pause_s)
    return Counted(summary=f"Counted {arguments.tiles} tiles.", tiles=arguments.tiles)


def go_wrong(arguments: Break, session: Session) -> Result:
    match arguments.how:
        case "told":
            raise BadRequestError("There is no file /data/Miller.nii.gz.")
        case "bug":
            raise KeyError("Miller")
        case "exit":
            sys.exit("no licence")
        case "print":
            print("a print")  # noqa: T201 (what a dependency may do)
            sys.stdout.flush()
            os.write(1, b"a raw write\n")
            os.system("echo a child")
    return Result(summary="Printed.")


COUNT = Tool("count", "Count tiles", "Count tiles.", Count, Counted, lambda: count)
BREAK = Tool("go_wrong", "Go wrong", "Fail as asked.", Break, Result, lambda: go_wrong)
TOYS = (COUNT, BREAK)


def main(address="", token=None):
    from totalseg_mcp.server.settings import address as read_address
    from totalseg_mcp.server.stdio import serve_stdio
    from totalseg_mcp.server.web import serve_http

    server = build(TOYS, Session())
    if address:
        serve_http(server, read_address(address), token, grace_s=1)
    else:
        serve_stdio(server)


if __name__ == "__main__":
    main(*sys.argv[1:])
