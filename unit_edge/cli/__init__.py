"""The command line: one module a command. It may import everything, and nothing imports it."""


def main() -> None:
    """The console script."""
    from unit_edge.cli.app import main as run

    run()
