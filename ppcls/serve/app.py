"""The routes of the server, and what each of them may answer."""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Optional, Union

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ppcls
from ppcls import pages
from ppcls.inference.predictor import Predictor
from ppcls.serve.intake import BODIES, Intake
from ppcls.serve.limits import Limits
from ppcls.serve.metrics import Metrics
from ppcls.serve.service import Service

PAGES = Path(__file__).parent
PREDICT = "/v1/predict"

# The pages carry their own style and script, and talk to this server only.
HEADERS = {
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


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


class Refused(BaseModel):
    """An image that could not be answered, and why."""

    name: str
    error: str


class Answer(BaseModel):
    """One result for each image, in the order of the request."""

    results: list[Union[Predicted, Refused]]
    milliseconds: float


class Problem(BaseModel):
    """Why the request was not answered."""

    error: str


class Card(BaseModel):
    """What the server knows about its model."""

    model_name: str
    class_num: int
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


def create_app(
    predictors: Sequence[Predictor], *, limits: Limits, max_batch: int = 8, token: Optional[str] = None
) -> FastAPI:
    """Return the ASGI application over predictors of one model, each of which gets a thread of its own.

    With a `token`, all of /v1 and /metrics ask for it as `Authorization: Bearer TOKEN`.
    """
    metrics, intake = Metrics(), Intake(limits)
    service = Service(predictors, limits, metrics, max_batch=max_batch)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service:
            yield

    app = FastAPI(
        title=f"ppcls: {service.model.artifact.Global.model_name}",
        description="Image classification.",
        version=ppcls.__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(Observed, metrics=metrics)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _invalid_argument)
    app.add_exception_handler(Exception, _internal_problem)
    guarded = [Depends(_guard(token))] if token else []

    @app.post(
        PREDICT,
        response_model=Answer,
        responses={**PROBLEMS, 422: {"model": Union[Answer, Problem], "description": "An image can't be read."}},
        openapi_extra={"requestBody": {"required": True, "content": BODIES}},
        dependencies=guarded,
        summary="Classify one or more images",
    )
    async def predict(
        request: Request,
        topk: Annotated[Optional[int], Query(ge=1, le=1000, description="how many classes; unset: the model's")] = None,
    ) -> JSONResponse:
        """Answer every image that can be read; if one can't, the status is 422 and its result says why."""
        started = time.perf_counter()
        async with intake.images(request) as files:
            results = await service.answer(files, topk)
        failed = any("error" in result for result in results)
        milliseconds = round(1000 * (time.perf_counter() - started), 3)
        return JSONResponse({"results": results, "milliseconds": milliseconds}, 422 if failed else 200)

    @app.get("/v1/model", dependencies=guarded, responses={401: PROBLEMS[401]}, summary="The model card")
    async def model() -> Card:
        return Card(**service.card())

    @app.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", responses={503: PROBLEMS[503]}, summary="Can it predict?")
    async def readyz() -> dict[str, str]:
        if not service.ready:
            raise HTTPException(503, "not ready")
        return {"status": "ok"}

    @app.get("/metrics", dependencies=guarded, response_class=PlainTextResponse, summary="Numbers for Prometheus")
    async def numbers() -> PlainTextResponse:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return _page("page.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _page("docs.html")

    return app


def _page(name: str) -> HTMLResponse:
    text = (PAGES / name).read_text(encoding="utf-8")
    return HTMLResponse(text.replace(pages.STYLE_HERE, pages.style()))


def _guard(token: str) -> Any:
    async def check(
        given: Annotated[Optional[HTTPAuthorizationCredentials], Depends(HTTPBearer(auto_error=False))],
    ) -> None:
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    return check


async def _http_problem(_: Request, problem: Any) -> JSONResponse:
    return JSONResponse({"error": problem.detail}, problem.status_code, problem.headers)


async def _invalid_argument(_: Request, problem: Any) -> JSONResponse:
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in problem.errors()]
    return JSONResponse({"error": "; ".join(faults)}, 422)


async def _internal_problem(_: Request, __: Exception) -> JSONResponse:
    # The server's log has the traceback; the client gets none.
    return JSONResponse({"error": "internal error"}, 500)


class Observed:
    """Counts and times the answers of /v1/predict, answers HEAD as GET without the body, and guards the pages."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
                if scope["path"] == PREDICT:
                    self.metrics.requests.labels(str(message["status"])).inc()
                    self.metrics.seconds.observe(time.perf_counter() - started)
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        await self.app({**scope, "method": "GET"} if is_head else scope, receive, observed_send)
