"""The output layouts of detectors, one family a module; `known.py` lists them."""
