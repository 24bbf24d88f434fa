"""`python -m attar`, where the command is not on the path."""

from attar.cli.main import main

main()
