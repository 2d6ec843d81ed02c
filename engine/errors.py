"""What can go wrong, by who can put it right.

The text of an `EngineError` is read by the agent that made the call: it says what
was wrong, with the value, and what to do instead. Anything else that is raised is
a bug.
"""


class EngineError(Exception):
    """Base of the errors that callers are meant to read."""


class BadRequestError(EngineError):
    """The caller can put it right: another name, another option."""


class BadImageError(BadRequestError):
    """The caller can put it right: this input cannot be segmented as it is."""


class OutputInTheWayError(BadRequestError):
    """The caller can put it right: a file that is not ours stands where a result would go."""


class OutOfReachError(BadRequestError):
    """The caller can put it right: the path is outside the folders the server may touch."""


class NotReadyError(EngineError):
    """The operator can put it right: weights to fetch, a licence, a device."""


class MissingWeightsError(NotReadyError):
    """No weights are here for a model; the text names the command that fetches them."""


class CancelledJobError(BadRequestError):
    """The caller did it: the job was cancelled, and has no result."""
