"""The tools: plain functions from arguments to result."""

from totalseg_mcp.tools import totalsegmentator
from totalseg_mcp.tools.tool import Tool

TOOLS: tuple[Tool, ...] = (totalsegmentator.TOOL,)
