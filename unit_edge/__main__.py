"""`python -m unit_edge`: the command line."""

from unit_edge.cli import main

if __name__ == "__main__":
    main()
