"""The application: routes, who may ask, what each answer carries."""

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Any, Optional

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import ppcls
from ppcls.inference.predictor import Predictor
from ppcls.inference.search import Search
from ppcls.serve import routes
from ppcls.serve.intake import Intake
from ppcls.serve.limits import Limits
from ppcls.serve.metrics import Metrics
from ppcls.serve.service import Service

# The pages carry their own style and script, and talk to this server only.
HEADERS = {
    b"content-security-policy": b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    b"img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


def create_app(
    predictors: Sequence[Predictor],
    *,
    limits: Limits,
    max_batch: int = 8,
    token: Optional[str] = None,
    search: Optional[Search] = None,
) -> FastAPI:
    """Return the ASGI application over predictors of one model, each of which gets a thread of its own.

    `search`: in the index of a model that gives features. With a `token`, all of /v1 and /metrics ask for it as
    `Authorization: Bearer TOKEN`.
    """
    metrics = Metrics()
    service = Service(predictors, limits, metrics, max_batch=max_batch, search=search)

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
    app.include_router(routes.of_images(service, Intake(limits)), dependencies=guarded)
    app.include_router(routes.of_model(service, metrics), dependencies=guarded)
    app.include_router(routes.of_everybody(service))
    return app


def _guard(token: str) -> Any:
    async def check(
        given: Annotated[Optional[HTTPAuthorizationCredentials], Depends(HTTPBearer(auto_error=False))],
    ) -> None:
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(401, "the token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    return check


async def _http_problem(request: Request, problem: Any) -> JSONResponse:
    said = problem.detail
    if said == HTTPStatus(problem.status_code).phrase:  # of an address or a method that no route has
        said = f"{request.method} {request.url.path}: {said.lower()}; /docs lists what there is"
    return JSONResponse({"error": said}, problem.status_code, problem.headers)


async def _invalid_argument(_: Request, problem: Any) -> JSONResponse:
    faults = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in problem.errors()]
    return JSONResponse({"error": "; ".join(faults)}, 422)


async def _internal_problem(_: Request, __: Exception) -> JSONResponse:
    # The server's log has the traceback; the client gets none.
    return JSONResponse({"error": "internal error"}, 500)


class Observed:
    """Counts and times the answers about images, answers HEAD as GET without the body, and guards the pages."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
                if scope["path"] in routes.OF_IMAGES:
                    self.metrics.requests.labels(str(message["status"])).inc()
                    self.metrics.seconds.observe(time.perf_counter() - started)
            elif is_head and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        await self.app({**scope, "method": "GET"} if is_head else scope, receive, observed_send)
