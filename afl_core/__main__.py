"""`python -m afl_core` is `afl`."""

from afl_core.cli.main import main

if __name__ == "__main__":
    main()
