"""Structures in groups, for tables."""

from totalseg_mcp.phantom import NAMES


def _starting(*stems: str) -> tuple[str, ...]:
    return tuple(name for name in NAMES if name.startswith(stems))


VERTEBRAE = _starting("vertebrae_")
SKELETON = (
    *VERTEBRAE,
    *_starting("rib_", "sternum", "sacrum", "skull"),
    *_starting("hip_", "femur", "humerus", "scapula", "clavicula"),
)
LUNGS = _starting("lung_")

GROUPS = {
    "lungs (5 lobes)": LUNGS,
    "heart": ("heart",),
    "liver": ("liver",),
    "spleen": ("spleen",),
    "kidneys": _starting("kidney_left", "kidney_right"),
    "stomach, duodenum, bowel": ("stomach", "duodenum", "small_bowel", "colon"),
    "pancreas, gallbladder": ("pancreas", "gallbladder"),
    "bladder, prostate": ("urinary_bladder", "prostate"),
    "aorta, caval veins": ("aorta", *_starting("inferior_vena", "superior_vena")),
    "other vessels": _starting("pulmonary", "brachio", "portal", "iliac"),
    "trachea, oesophagus, thyroid": ("trachea", "esophagus", "thyroid_gland"),
    "vertebrae and sacrum": (*VERTEBRAE, "sacrum"),
    "spinal cord, brain": ("spinal_cord", "brain"),
    "ribs": _starting("rib_"),
    "sternum, costal cartilages": ("sternum", "costal_cartilages"),
    "hip bones, femora": _starting("hip_", "femur"),
    "shoulder bones": _starting("humerus", "scapula", "clavicula"),
    "skull": ("skull",),
    "muscles": _starting("gluteus", "autochthon", "iliopsoas"),
}
