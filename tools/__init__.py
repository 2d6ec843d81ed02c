"""The tools: plain functions from arguments to result."""

from totalseg_mcp.tools import totalsegmentator, ts2d_segment
from totalseg_mcp.tools.tool import Tool

TOOLS: tuple[Tool, ...] = (totalsegmentator.TOOL, ts2d_segment.TOOL)
