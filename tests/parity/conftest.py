# These run in the reference program's environment, not in this one.
collect_ignore = ["facts.py", "reference.py", "reference_2d.py"]
