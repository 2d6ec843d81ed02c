"""A picture of what was found.

The patient is shown as radiologists look: the right at the picture's left, the head and, in
axial slices, the front up. Arrays are turned to "LPI" first, so that every index grows the
way the picture is read. Axes are those of the scan that come closest to the patient's: an
oblique scan is shown in its own planes, not resampled.
"""

from totalseg_mcp.engine.preview.picture import preview

__all__ = ["preview"]
