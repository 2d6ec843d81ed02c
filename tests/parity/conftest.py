collect_ignore = ["reference.py", "facts.py"]  # run in the reference program's environment
