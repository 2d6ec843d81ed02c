"""A body made of formulas, to scan on any grid: for tests, demonstrations and training.

>>> anatomy = phantom(7)
>>> volume, truth = scan(anatomy, view(anatomy, "abdomen", (12.0, 12.0, 12.0)))
>>> volume.grid.axcodes, volume.data.dtype.name, len(truth.names)
('RAS', 'int16', 117)
"""

from totalseg_mcp.phantom.anatomy import Anatomy, phantom
from totalseg_mcp.phantom.scan import scan
from totalseg_mcp.phantom.structures import NAMES
from totalseg_mcp.phantom.views import REGIONS, any_view, oblique, view

__all__ = ["NAMES", "REGIONS", "Anatomy", "any_view", "oblique", "phantom", "scan", "view"]
