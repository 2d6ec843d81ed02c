"""What tables and plans say of images.

Free of arrays: tables are read, and plans made, before a server can list its tools.
"""

from typing import Literal

Modality = Literal["CT", "MR"]
Spacing = tuple[float, float, float]  # mm, along i, j, k
