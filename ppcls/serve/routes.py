"""The routes of the server."""

import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Callable, Optional, Union

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException

from ppcls import pages
from ppcls.serve.answers import PROBLEMS, Answer, Card, Embedded, Predicted, Problem, Searched
from ppcls.serve.intake import BODIES, ImageFile, Intake
from ppcls.serve.metrics import Metrics
from ppcls.serve.service import Service

PREDICT, EMBED, SEARCH = OF_IMAGES = ("/v1/predict", "/v1/embed", "/v1/search")
PAGES = Path(__file__).parent


class Images:
    """The handlers of what takes images: every image that can be read is answered.

    If one can't, the status is 422 and its result says why.
    """

    def __init__(self, service: Service, intake: Intake) -> None:
        self._service = service
        self._intake = intake

    async def predict(
        self,
        request: Request,
        topk: Annotated[Optional[int], Query(ge=1, le=1000, description="how many classes; unset: the model's")] = None,
    ) -> JSONResponse:
        """Answer every image that can be read; if one can't, the status is 422 and its result says why."""
        return await self._answered(request, partial(self._service.predict, topk=topk))

    async def embed(self, request: Request) -> JSONResponse:
        """Answer every image that can be read; if one can't, the status is 422 and its result says why."""
        return await self._answered(request, self._service.embed)

    async def search(
        self,
        request: Request,
        topk: Annotated[int, Query(ge=1, le=1000, description="how many images of the index")] = 5,
    ) -> JSONResponse:
        """Answer every image that can be read; if one can't, the status is 422 and its result says why."""
        return await self._answered(request, partial(self._service.search, topk=topk))

    async def _answered(
        self, request: Request, answer: Callable[[list[ImageFile]], Awaitable[list[dict[str, Any]]]]
    ) -> JSONResponse:
        started = time.perf_counter()
        async with self._intake.images(request) as files:
            results = await answer(files)
        failed = any("error" in result for result in results)
        milliseconds = round(1000 * (time.perf_counter() - started), 3)
        return JSONResponse({"results": results, "milliseconds": milliseconds}, 422 if failed else 200)


def of_images(service: Service, intake: Intake) -> APIRouter:
    """Return the routes that take images; one that the model, or a missing index, can't answer says why."""
    router, images, missing = APIRouter(), Images(service, intake), _missing(service)
    for path, handler, answer, summary in (
        (PREDICT, images.predict, Answer[Predicted], "Classify one or more images"),
        (EMBED, images.embed, Answer[Embedded], "The features of one or more images"),
        (SEARCH, images.search, Answer[Searched], "The most similar images of the index"),
    ):
        if path in missing:
            router.add_api_route(path, _refusal(missing[path]), methods=["POST"], include_in_schema=False)
            continue
        unread = {"model": Union[answer, Problem], "description": "An image can't be read."}
        router.add_api_route(
            path,
            handler,
            methods=["POST"],
            response_model=answer,
            responses={**PROBLEMS, 422: unread},
            openapi_extra={"requestBody": {"required": True, "content": BODIES}},
            summary=summary,
        )
    return router


def _missing(service: Service) -> dict[str, str]:
    """Return why some of the routes are not there."""
    if service.model.artifact.output == "scores":
        why = f"the model gives scores of classes, not features; send the images to {PREDICT}"
        return {EMBED: why, SEARCH: why}
    missing = {PREDICT: f"the model gives features, not scores of classes; send the images to {EMBED}"}
    if service.neighbours is None:
        missing[SEARCH] = "there is no index to search in; start the server with --index FILE"
    return missing


def _refusal(why: str) -> Callable[[], Awaitable[None]]:
    async def refuse() -> None:
        raise HTTPException(404, why)

    return refuse


def of_model(service: Service, metrics: Metrics) -> APIRouter:
    """Return the routes that tell of the model and of the server's work."""
    router = APIRouter()

    @router.get("/v1/model", responses={401: PROBLEMS[401]}, summary="The model card")
    async def model() -> Card:
        return Card(**service.card())

    @router.get("/metrics", response_class=PlainTextResponse, summary="Numbers for Prometheus")
    async def numbers() -> PlainTextResponse:
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    return router


def of_everybody(service: Service) -> APIRouter:
    """Return the routes that need no token: is it well, and the pages."""
    router = APIRouter()

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", responses={503: PROBLEMS[503]}, summary="Can it predict?")
    async def readyz() -> dict[str, str]:
        if not service.ready:
            raise HTTPException(503, "not ready")
        return {"status": "ok"}

    @router.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return _page("page.html")

    @router.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return _page("docs.html")

    return router


def _page(name: str) -> HTMLResponse:
    text = (PAGES / name).read_text(encoding="utf-8")
    return HTMLResponse(text.replace(pages.STYLE_HERE, pages.style()))
