"""Errors that are for people. Importing them loads nothing else."""


class UserError(ValueError):
    """A mistake that a person can mend: the message says what, where, the value and what to do.

    The command line prints the message alone, without a traceback, and exits with 1.
    """


class DataError(UserError):
    """A bad frame, label or image. With `on_error: skip` it is counted and listed instead of raised.

    `where` names the file and, where there is one, the line or row; `reason` says what kind of thing is left
    out with it, in the plural ("inverted boxes"), where it is one row of a frame's labels.

    >>> raise DataError("label_2/000001.txt:3", "the box is wider than the image")
    Traceback (most recent call last):
    imitation.common.errors.DataError: label_2/000001.txt:3: the box is wider than the image
    """

    def __init__(self, where: str, what: str, reason: str = "") -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
        self.reason = reason

    def __reduce__(
        self,
    ) -> tuple[type, tuple[str, str, str]]:  # its arguments: the default would replay one as Ray unpickles it
        return type(self), (self.where, self.what, self.reason)
