"""The tools: plain functions from arguments to result."""
