"""What every tool's result has."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    """The part of a result that the server itself shows: a sentence and a picture."""

    model_config = ConfigDict(extra="forbid")

    summary: Annotated[str, Field(description="The result in one or two sentences.")]
    preview_file: Annotated[
        str | None, Field(description="Absolute path of the preview picture (PNG), or null.")
    ] = None
