collect_ignore = ["reference.py"]  # runs in the reference program's environment
