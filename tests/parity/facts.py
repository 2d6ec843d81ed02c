"""What TotalSegmentator says of its tasks and models, for `recordings/tasks.json`.

Runs in the reference's own environment, with a licence number in its configuration, as `record.py`
sets it up: `python tests/parity/facts.py > tests/parity/recordings/tasks.json`.
"""

import contextlib
import io
import json
import sys
from typing import Any

from totalsegmentator import map_to_binary as maps
from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS
from totalsegmentator.python_api import get_task_config
from totalsegmentator.registry import TASKS, task_modality

ASKED = ("task_id", "resample", "trainer", "crop", "model", "folds", "plans", "robust_crop")
MORE = ("crop_model", "crop_addon", "remove_outside", "remove_outside_dilation")
SPEEDS = {"default": {}, "fast": {"fast": True}, "fastest": {"fastest": True}}


def configuration(task: str, speed: dict[str, bool]) -> dict[str, Any] | None:
    """The reference's settings for a task; None where it refuses the speed."""
    try:
        settings = get_task_config(task, quiet=True, plans="nnUNetPlans", **speed)
    except ValueError:
        return None
    return {key: settings.get(key) for key in (*ASKED, *MORE)}


def entry(task: str) -> dict[str, Any]:
    """All there is to know of a task."""
    return {
        "modality": task_modality(task),
        "licence": task in maps.commercial_models,
        "structures": list(maps.class_map[task].values()),
        "auxiliary": list(maps.class_map.get(f"{task}_auxiliary", {}).values()),
        **{name: configuration(task, speed) for name, speed in SPEEDS.items()},
    }


def parts() -> dict[int, list[str]]:
    """The structures of the models that a task is made of, by model."""
    families = (
        (maps.map_taskid_to_partname_ct, maps.class_map_5_parts),
        (maps.map_taskid_to_partname_ct_v3, maps.class_map_5_parts_total_v3),
        (maps.map_taskid_to_partname_mr, maps.class_map_parts_mr),
        (maps.map_taskid_to_partname_headneck_muscles, maps.class_map_parts_headneck_muscles),
    )
    return {
        number: list(structures[name].values())
        for numbers, structures in families
        for number, name in numbers.items()
        if name in structures
    }


def main() -> dict[str, Any]:
    """The whole recording."""
    return {
        "tasks": {task: entry(task) for task in TASKS if "test" not in task},
        "models": {str(number): where for number, where in TASK_ID_WEIGHTS_CONFIGS.items()},
        "parts": {str(number): structures for number, structures in parts().items()},
        "former": list(maps.class_map["total_v1"].values()),
    }


if __name__ == "__main__":
    with contextlib.redirect_stdout(io.StringIO()):
        facts = main()
    json.dump(facts, sys.stdout, indent=1, sort_keys=True)
