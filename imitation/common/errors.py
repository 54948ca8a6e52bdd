"""Errors that are for people. Importing them loads nothing else."""


class UserError(ValueError):
    """A mistake that a person can mend: the message says what, where, the value and what to do.

    The command line prints the message alone, without a traceback, and exits with 1.
    """


class DataError(UserError):
    """A bad frame, label or image. With `on_error: skip` it is counted and listed instead of raised.

    `where` names the file and, where there is one, the line or row.

    >>> raise DataError("label_2/000001.txt:3", "the box is wider than the image")
    Traceback (most recent call last):
    imitation.common.errors.DataError: label_2/000001.txt:3: the box is wider than the image
    """

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what

    def __reduce__(
        self,
    ) -> tuple[type, tuple[str, str]]:  # two arguments: the default would replay one when Ray unpickles it
        return type(self), (self.where, self.what)
