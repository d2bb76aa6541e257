"""The one exception that a user's input can cause."""


class UserError(ValueError):
    """One line that says what was wrong, where (file, option or argument) and what to do.

    The command line prints it and exits with code 2; in a notebook it is raised as it is.
    """
