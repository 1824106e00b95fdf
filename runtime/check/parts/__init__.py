"""The questions that can be asked about a translation, one a module; part.py is their protocol."""
