"""`python -m unit_edge.cli`, which torchrun starts too."""

from unit_edge.cli import main

if __name__ == "__main__":
    main()
