"""The `videos-api` engine: any server that speaks the `/v1/videos` format (vLLM-Omni, SGLang, FastVideo, gateways).

Plain httpx, one call for one question, and nothing is ever sent again from here: clients that repeat a create call on
their own make people pay twice. What an answer means stands in `generation.videos.reading`. A create call has a
connection of its own, for on one that stayed open nobody can tell whether the server had already closed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from generation.engines.engine import Blip, Invalid, Job, Lost, NotSent, Offer, Unsure
from generation.request import Request
from generation.videos import content
from generation.videos.asking import Form, extra_fields, form_of, media_type, seconds_of
from generation.videos.reading import clean, job_of, refusal
from generation.videos.settings import VideosApiSettings, offer_of
from transforms.addresses import is_web, redact
from transforms.failures import ElementError
from transforms.settings import ConfigError

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Nothing was written: no connection was made."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,199}")
"""Ids of jobs that become part of an address."""
_CUT: Final = "#after="
"""Parts the server's id of a job from how many frames of its result were there before."""
_POLLED_AT_ONCE: Final = 64  # connections that ask how jobs stand
_NO_LIST: Final = frozenset({404, 405, 501})
"""What servers answer that have no list of jobs."""
_PAGE: Final = 100
_PAGES: Final = 200  # of a list, at most: 20,000 jobs
_CLOCKS: Final = 120.0  # seconds that the server's clock may be behind ours
_MOST_ANSWER: Final = 16 * 2**20  # bytes of an answer that is no video


class VideosApi:
    """Asks a server for videos.

    Args:
        settings: Which one, and what it does.

    Raises:
        ConfigError: No model is named, or a setting is wrong.
    """

    name: Final = "videos-api"

    def __init__(self, settings: VideosApiSettings) -> None:
        if not settings.model:
            raise ConfigError("no model is named; write videos-api:MODEL, as the server knows it")
        if not is_web(settings.url):
            raise ConfigError(f"url={redact(settings.url)}: not a web address; give one such as http://HOST:8000/v1")
        extra_fields(settings.extra)
        self.settings = settings
        self.offer: Final[Offer] = offer_of(settings)
        self._clients: tuple[httpx.AsyncClient, httpx.AsyncClient] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_clients": None}

    def check(self) -> None:
        """See that the key is there, and that the server answers and takes it. Nothing is asked for.

        Raises:
            ConfigError: It isn't, or it doesn't.
        """
        shown = redact(self.settings.url)
        try:
            with httpx.Client(timeout=self._timeout(), trust_env=False) as client:
                status = client.get(self._address("videos"), headers=self._headers(), params={"limit": 1}).status_code
        except httpx.HTTPError as error:
            said = clean(str(error), self._key())
            raise ConfigError(f"url={shown}: no answer; start the server, or mend url ({said})") from None
        if status in (401, 403):
            raise ConfigError(f"url={shown}: status {status}: the key is not accepted; let key_env name a valid one")
        if 300 <= status < 400:
            raise ConfigError(f"url={shown}: status {status}: it has moved; set url to where it is now")

    async def submit(self, request: Request, key: str, seed: int, inputs: Mapping[int, Path]) -> Job:
        """Send one create call, see `Engine.submit`."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                before, last = await asyncio.to_thread(self._beginning, request, inputs, Path(folder))
                form = form_of(request, key, seed, inputs, self.settings, last)
                files = {name: (path.name, path.read_bytes(), media_type(path)) for name, path in form.files.items()}
            except (ElementError, OSError) as error:
                raise Invalid(f"an input cannot be read: {error}") from error
        answer = await self._create(form, key, files)
        job = job_of(_json(answer), answer.headers, time.time())
        if job is None or not _ID.fullmatch(job.job_id):
            raise Unsure(f"an answer without a job: {clean(answer.text, self._key())}")
        return _named(job, f"{job.job_id}{_CUT}{before}" if before else job.job_id)

    async def poll(self, job_id: str) -> Job:
        """Ask once how a job stands, see `Engine.poll`."""
        path = f"videos/{_server_id(job_id)}"
        answer = await self._get(path)
        if answer.status_code in (404, 410):
            raise Lost(f"status {answer.status_code}: the server does not know the job")
        job = job_of(_json(answer), answer.headers, time.time())
        if answer.status_code != 200 or job is None:
            error = refusal(answer.status_code, answer.headers, answer.text, self._key(), time.time())
            raise Blip(error.message, error.code, error.after)
        if job.state == "done":
            with contextlib.suppress(httpx.HTTPError):
                if await content.is_empty(self._open()[1], self._address(f"{path}/content"), self._headers()):
                    return Job(job_id=job_id, state="filtered", message="done, and the file is empty", cost=job.cost)
        return _named(job, job_id)

    async def fetch(self, job_id: str, to: Path) -> None:
        """Download a job's video, see `Engine.fetch`."""
        address = self._address(f"videos/{_server_id(job_id)}/content")
        most, hosts = self.settings.most_mb << 20, self.settings.content_hosts
        try:
            await content.download(self._open()[1], address, self._headers(), to, most, hosts)
        except httpx.HTTPError as error:
            raise Blip(f"fetching: {self._said(error)}") from None
        before = int(job_id.partition(_CUT)[2] or 0)
        if before:
            try:
                await asyncio.to_thread(content.cut_head, to, before)
            except ElementError as error:
                to.unlink(missing_ok=True)
                raise Lost(error.message, error.error_class) from error

    async def find(self, request: Request, key: str, since: float) -> list[str] | None:
        """Look for an attempt in the server's list of jobs, see `Engine.find`."""
        matching: list[str] = []
        if (await self._get("videos", limit=1)).status_code in _NO_LIST:
            return None
        async for one in self._listed(since - _CLOCKS):
            label = one.get(self.settings.label) if self.settings.label else None
            if label is not None and key in str(label):
                return [str(one["id"])]
            if label is None and self._may_be(one, request):
                matching.append(str(one["id"]))
        return matching if self.settings.findable else matching or None

    async def close(self) -> None:
        """Close the connections."""
        clients, self._clients = self._clients, None
        for client in clients or ():
            await client.aclose()

    def _beginning(self, request: Request, inputs: Mapping[int, Path], folder: Path) -> tuple[int, Path | None]:
        """Of a video that is gone on with: how many frames come back that are there, or the frame to begin with."""
        video = next((inputs[n] for n, one in enumerate(request.inputs) if one.role == "video"), None)
        if request.mode != "extend" or video is None:
            return 0, None
        if self.settings.extend_by == "extensions":
            return content.count_frames(video), None
        last = folder / "last-frame.png"
        content.write_last_frame(video, last)
        return 0, last

    async def _create(self, form: Form, key: str, files: Mapping[str, Any]) -> httpx.Response:
        headers = self._headers() | ({"Idempotency-Key": key} if self.settings.idempotent else {})
        # Without a file httpx would send the fields url-encoded; servers of this format want a multipart form.
        fields = {name: (None, value) for name, value in form.fields.items()}
        try:
            answer = await self._open()[0].post(self._address(form.path), headers=headers, files={**fields, **files})
        except _NOT_SENT as error:
            raise NotSent(f"not sent: {self._said(error)}") from None
        except httpx.HTTPError as error:
            raise Unsure(f"sent, and no answer came: {self._said(error)}") from None
        if not answer.is_success:
            raise refusal(answer.status_code, answer.headers, answer.text, self._key(), time.time())
        return answer

    async def _get(self, path: str, **query: Any) -> httpx.Response:
        try:
            answer = await self._open()[1].get(self._address(path), headers=self._headers(), params=query or None)
        except httpx.HTTPError as error:
            raise Blip(f"no answer: {self._said(error)}") from None
        if len(answer.content) > _MOST_ANSWER:
            raise Blip("an answer that is too long")
        return answer

    async def _listed(self, since: float) -> AsyncIterator[Mapping[str, Any]]:
        """The server's jobs, the newest first, as far back as is of interest."""
        after: dict[str, str] = {}
        for _ in range(_PAGES):
            answer = await self._get("videos", limit=_PAGE, order="desc", **after)
            body = _json(answer)
            listed = body.get("data") if isinstance(body, dict) else None
            if answer.status_code != 200 or not isinstance(listed, list):
                raise Blip(f"status {answer.status_code}: no list of jobs")
            found = [one for one in listed if isinstance(one, dict) and _ID.fullmatch(str(one.get("id")))]
            for one in found:
                if _made_at(one) >= since:
                    yield one
            if not body.get("has_more") or not found or _made_at(found[-1]) < since:
                return
            after = {"after": str(found[-1]["id"])}
        raise Blip(f"the list of jobs has more than {_PAGES} pages")

    def _may_be(self, one: Mapping[str, Any], request: Request) -> bool:
        """Whether nothing that the server says of a job is otherwise than what was asked for."""
        size, seconds = f"{request.width}x{request.height}", seconds_of(request)
        for name, wanted in (("prompt", request.prompt), ("model", self.settings.model), ("size", size)):
            if one.get(name) not in (None, "", wanted):
                return False
        told = str(one.get("seconds") or seconds)
        with contextlib.suppress(ValueError):
            return abs(float(told) - float(seconds)) < 1
        return True

    def _open(self) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
        """The client that creates, and the one that asks."""
        if self._clients is None:
            fresh = httpx.Limits(max_connections=None, max_keepalive_connections=0)
            kept = httpx.Limits(max_connections=_POLLED_AT_ONCE, max_keepalive_connections=_POLLED_AT_ONCE)
            timeout = self._timeout()
            self._clients = (
                httpx.AsyncClient(limits=fresh, timeout=timeout, trust_env=False),
                httpx.AsyncClient(
                    limits=kept, timeout=timeout, trust_env=False, headers={"Accept-Encoding": "identity"}
                ),
            )
        return self._clients

    def _timeout(self) -> httpx.Timeout:
        return httpx.Timeout(self.settings.timeout, connect=self.settings.connect_timeout)

    def _address(self, path: str) -> str:
        url = httpx.URL(self.settings.url)
        return str(url.copy_with(path=f"{url.path.rstrip('/')}/{path}"))

    def _headers(self) -> dict[str, str]:
        key = self._key()
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key(self) -> str:
        variable = self.settings.key_env
        if variable and not os.environ.get(variable):
            raise ConfigError(f"key_env={variable}: no such environment variable; set it to the server's key")
        return os.environ.get(variable, "").strip() if variable else ""

    def _said(self, error: Exception) -> str:
        return f"{type(error).__name__}: {clean(str(error), self._key())}".rstrip(": ")


def _named(job: Job, job_id: str) -> Job:
    return Job(**{**job.__dict__, "job_id": job_id})


def _server_id(job_id: str) -> str:
    """The server's id of a job.

    Raises:
        Lost: It is none that could be part of an address.
    """
    found = job_id.partition(_CUT)[0]
    if not _ID.fullmatch(found):
        raise Lost(f"{found[:40]!r} is no id of a job")
    return found


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _made_at(one: Mapping[str, Any]) -> float:
    made = one.get("created_at")
    return float(made) if isinstance(made, (int, float)) and not isinstance(made, bool) else float("inf")
