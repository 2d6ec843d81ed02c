"""TotalSegmentator's Python interface, called again and again: runs in its environment.

`api.py SCAN OUT CALLS.json '{"calls": 3, "began": …, "options": {…}}'`; `began` is the clock when
the process was started, from which the first call counts.
"""

import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Call, and write how long each call took."""
    scan, out, answers, asked = sys.argv[1:]
    known = json.loads(asked)
    from totalsegmentator.python_api import totalsegmentator

    calls, began, spent = [], known["began"], 0.0
    for _ in range(known["calls"]):
        totalsegmentator(scan, out, **known["options"])
        now, cpu = time.perf_counter(), sum(os.times()[:4])
        calls.append({"wall": now - began, "cpu": cpu - spent})
        began, spent = time.perf_counter(), sum(os.times()[:4])
    Path(answers).write_text(json.dumps(calls))


if __name__ == "__main__":  # its workers import this module
    main()
