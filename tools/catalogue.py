"""The tools as clients see them.

A host asks for this list as soon as it has started the server, and may wait two seconds for it.
What a tool runs with (nibabel, scipy, pydicom and more) takes a second to import, so a tool's own
module is imported by `load`.
"""

from totalseg_mcp.schemas import totalsegmentator as in_3d
from totalseg_mcp.schemas import ts2d_segment as in_2d
from totalseg_mcp.tools.tool import Run, Tool

TOTALSEGMENTATOR = """
Segment anatomical structures in a 3-D CT or MR image with TotalSegmentator's models.

Reads NIfTI, NRRD, MetaImage or a folder of DICOM slices; writes a mask per structure (or one
label map, or DICOM SEG, DICOM RTSTRUCT or 3D Slicer's NRRD: output_type), and on request
statistics.json, radiomics.json and preview.png, into output_dir. The result names the
files and says which structures were found, which were cut off by the image's border
(their numbers are null, not zero), and what was measured. The default works at 1.5 mm
with several models; fast (3 mm) and fastest (6 mm) use one model on fewer voxels, and
roi_subset limits the work to what you need; several tasks in one call share its beginning,
and a later call for the same labels reuses them. For research, not for medical use.
"""

TS2D_SEGMENT = """
Tell in about a second what is in a CT, and where, with TotalSegmentator 2D's models.

Projects the CT once from front to back and labels 117 structures in that picture, which may
overlap. Use it first: the result names the structures and regions of the body that are in
the scan, how far they reach along the body, what the scan's border cuts off, and which calls
of totalsegmentator fit. Areas are those of shadows seen from the front, not volumes. Also
takes projections and, with model='tsxr-v2', chest and other X-rays. Writes a segmentation
for 3D Slicer (or masks, or a picture) and on request statistics and preview.png into
output_dir. For research, not for medical use.
"""


def _totalsegmentator() -> Run:
    from totalseg_mcp.tools.totalsegmentator import run

    return run


def _ts2d_segment() -> Run:
    from totalseg_mcp.tools.ts2d_segment import run

    return run


TOOLS: tuple[Tool, ...] = (
    Tool(
        name="totalsegmentator",
        title="TotalSegmentator",
        description=TOTALSEGMENTATOR,
        arguments=in_3d.Arguments,
        result=in_3d.TotalSegmentatorResult,
        load=_totalsegmentator,
    ),
    Tool(
        name="ts2d_segment",
        title="TotalSegmentator 2D",
        description=TS2D_SEGMENT,
        arguments=in_2d.Arguments,
        result=in_2d.Ts2dResult,
        load=_ts2d_segment,
    ),
)
