"""Run the command line as `python -m mmbot`."""

from mmbot.cli import main

if __name__ == "__main__":
    main()
