"""The one exception that means: the user's input, not our code."""


class UserError(Exception):
    """Bad input. Its text is one line: the file or setting, what was found, what was expected.

    The command line prints the line and exits with status 2; every other exception is a bug
    and shows its traceback.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


def printable(text: str) -> str:
    """A line for a terminal: it may quote a damaged file, or one that means to steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
