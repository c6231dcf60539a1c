"""The command `ael`; also `python -m ael`."""

from ael.interfaces.cli.main import main

if __name__ == "__main__":
    main()
