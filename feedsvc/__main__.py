"""`python -m feedsvc` is the same as `feedsvc`."""

from feedsvc.cli.main import main

if __name__ == "__main__":
    main()
