"""``python -m evalcli`` is the command ``evalcli``."""

from evalcli.cli import main

if __name__ == "__main__":
    main()
