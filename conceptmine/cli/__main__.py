"""``python -m conceptmine.cli`` is the program ``conceptmine``."""

from conceptmine.cli.application import main

if __name__ == "__main__":
    main()
