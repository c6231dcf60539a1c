"""The command `ael`; also `python -m ael`."""

import sys

try:
    from ael.interfaces.cli.main import main
except KeyboardInterrupt:
    # From here on `main` sees to it.
    sys.exit(130)

if __name__ == "__main__":
    main()
