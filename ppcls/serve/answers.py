"""What the routes answer, as the OpenAPI page says it."""

from typing import Any, Generic, Literal, Optional, TypeVar, Union

from pydantic import BaseModel


class Doubt(BaseModel):
    """What a calibrated model says beside: is it none of the classes, and which ones hold the true one in 90 %?"""

    none_of_these: bool
    class_ids: list[int]
    label_names: list[str]


class Predicted(BaseModel):
    """The best classes of one image, best first; `label_names` is empty where no names are known.

    `doubt` is there only where the model was calibrated.
    """

    name: str
    class_ids: list[int]
    scores: list[float]
    label_names: list[str]
    doubt: Optional[Doubt] = None


class Embedded(BaseModel):
    """The features of one image."""

    name: str
    features: list[float]


class Neighbour(BaseModel):
    """An image of the index, its label ("" for none), and its product with the image that was asked about."""

    name: str
    label: str
    score: float


class Searched(BaseModel):
    """The most similar images of the index, the best first."""

    name: str
    neighbours: list[Neighbour]


class Refused(BaseModel):
    """An image that could not be answered, and why."""

    name: str
    error: str


Result = TypeVar("Result")


class Answer(BaseModel, Generic[Result]):
    """One result for each image, in the order of the request."""

    results: list[Union[Result, Refused]]
    milliseconds: float


class Problem(BaseModel):
    """Why the request was not answered."""

    error: str


class Card(BaseModel):
    """What the server knows about its model; `class_num` features where it gives these."""

    model_name: str
    output: Literal["scores", "features"]
    class_num: int
    indexed_images: Optional[int]
    input_shape: list[int]
    transforms: list[str]
    measured: dict[str, float]
    calibration: dict[str, float]
    exported_by: str
    engine: str
    sha256: str
    max_images: int
    max_pixels: int
    max_body_bytes: int


PROBLEMS: dict[Union[int, str], dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The body is malformed.",
        401: "The token is missing or wrong.",
        408: "The body did not arrive in time.",
        413: "The body is too large, or has too many images.",
        415: "A body of this type is not understood.",
        429: "The queue is full; try again after the seconds of the header Retry-After.",
        503: "The answer took too long, or the server is stopping.",
    }.items()
}
