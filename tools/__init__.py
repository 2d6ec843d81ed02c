"""The tools: plain functions from arguments to result."""

from totalseg_mcp.tools.catalogue import TOOLS

__all__ = ["TOOLS"]
