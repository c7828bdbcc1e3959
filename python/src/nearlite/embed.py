"""Texts to vectors: any function, or an endpoint that speaks the OpenAI protocol.

docs = nearlite.Collection(db, "docs", embed=nearlite.Endpoint("http://localhost:11434/v1", model="nomic-embed-text"))
docs.create(text=["body"])
docs.add(texts=["an owl hunts at night"])
docs.search("birds of prey")
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
import time
from collections import OrderedDict
from threading import Lock
from typing import Any, Callable

from . import _blobs
from ._errors import EmbedError, Error, InputError
from ._numbers import real, whole
from ._schema import Column

#: From a list of texts to as many vectors: an array of shape ``(n, dim)`` or a list of lists. An attribute ``model`` names the model.
Embed = Callable[[list[str]], Any]

# What is worth another try: too many requests, timeouts and failures of the server.
_PASSING = (408, 409, 425, 429, 500, 502, 503, 504)


class Endpoint:
    """Embeds by POST to ``url + "/embeddings"``, as OpenAI, Ollama, llama.cpp, vLLM and others offer it.

    ``batch`` texts go into one request; ``timeout`` seconds are waited for each; one that fails in passing is sent again up to
    ``retries`` times, after 0.5, 1, 2, ... seconds or as long as the server asks. ``api_key`` is the environment's ``OPENAI_API_KEY``
    by default, but for hosts of the machine itself. ``dimensions`` is passed on to models that can be shortened.

    A server that sends the request elsewhere is not followed. Raises EmbedError, with what the server said, when a request fails for good
    or returns something else than one vector for each text.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        batch: int = 64,
        timeout: float = 60,
        retries: int = 3,
        dimensions: int | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise InputError(f"the URL of an endpoint begins with http:// or https://, got {url!r}")
        base = url.rstrip("/")
        self.url = base if base.endswith("/embeddings") else base + "/embeddings"
        self.model, self.timeout = model, real("timeout", timeout, "seconds")
        self.batch, self.retries = whole("batch", batch, 1), whole("retries", retries, 0)
        self.dimensions = None if dimensions is None else whole("dimensions", dimensions, 1)
        self._key = api_key if api_key is not None else None if _is_local(self.url) else os.environ.get("OPENAI_API_KEY")
        self._wait = 0.5

    def __call__(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        vectors: list[list[float]] = []
        for at in range(0, len(texts), self.batch):
            vectors += self._request(texts[at : at + self.batch])
        return vectors

    def _request(self, texts: list[str]) -> list[list[float]]:
        import http.client
        import urllib.error
        import urllib.request

        asked = {"model": self.model, "input": texts, **({} if self.dimensions is None else {"dimensions": self.dimensions})}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url, json.dumps(asked).encode(), headers)
        for attempt in range(self.retries + 1):
            last = attempt == self.retries
            try:
                with _opener().open(request, timeout=self.timeout) as response:
                    return self._read(response.read(), len(texts))
            except urllib.error.HTTPError as error:
                if 300 <= error.code < 400:
                    there = error.headers.get("Location")
                    raise EmbedError(f"{self.url} has moved to {there}: make the endpoint with that URL, if it is to have texts and key") from None
                if last or error.code not in _PASSING:
                    raise EmbedError(f"{self.url} refused the request with status {error.code}: {_reason(_body(error))}") from None
                time.sleep(_seconds(error.headers.get("Retry-After"), self._wait * 2**attempt))
            except (OSError, http.client.HTTPException) as error:
                # URLError is an OSError. An answer that is cut off, or is no HTTP, comes as an HTTPException.
                if last or isinstance(error, http.client.InvalidURL):
                    why = getattr(error, "reason", None) or str(error) or type(error).__name__
                    what = "cannot be reached" if isinstance(error, (OSError, http.client.InvalidURL)) else "gave no whole answer"
                    raise EmbedError(f"{self.url} {what}: {why}") from None
                time.sleep(self._wait * 2**attempt)
        raise AssertionError("a request ends with an answer or an error")

    def _read(self, body: bytes, count: int) -> list[list[float]]:
        try:
            data = sorted(json.loads(body)["data"], key=lambda item: item.get("index", 0))
            vectors = [_numbers(item["embedding"]) for item in data]
        except (ValueError, KeyError, TypeError, AttributeError, struct.error, binascii.Error):
            raise EmbedError(f"{self.url} returned no embeddings: {_reason(body)}") from None
        if len(vectors) != count:
            raise EmbedError(f"{self.url} returned {len(vectors)} vectors for {count} texts")
        return vectors


def _opener() -> Any:
    """Opens URLs without going where another one sends it: the key and the texts are for the host that was named."""
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    return urllib.request.build_opener(Stay)


def _numbers(embedding: Any) -> list[float]:
    if isinstance(embedding, str):
        data = base64.b64decode(embedding, validate=True)
        return list(struct.unpack(f"<{len(data) // 4}f", data))
    return [float(number) for number in embedding]


def _is_local(url: str) -> bool:
    """Whether the host is the machine itself: by name, by an address of its own, or by the one that stands for any of them (0.0.0.0)."""
    import ipaddress
    from urllib.parse import urlsplit

    name = (urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _body(error: Any) -> bytes:
    """What came of the body of an error."""
    import http.client

    try:
        return bytes(error.read())
    except http.client.IncompleteRead as cut:
        return cut.partial
    except (OSError, http.client.HTTPException):
        return b""


def _reason(body: bytes) -> str:
    """What a server says about an error: the message of its JSON, or the beginning of whatever it is."""
    try:
        error = json.loads(body)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return repr(body[:200].decode("utf-8", "replace"))


def _seconds(asked: str | None, otherwise: float) -> float:
    """The pause that a server asks for, a minute at most; ``otherwise`` where it asks for none, or for what is no pause."""
    try:
        found = float(asked) if asked is not None else otherwise
    except ValueError:
        return otherwise
    # Written so that NaN is no pause.
    return min(found, 60.0) if found >= 0 else otherwise


def embed_texts(embed: Embed, texts: list[Any], dim: int | None) -> Any:
    """The vectors of texts, checked: one for each, of ``dim`` numbers. None stays None. Raises EmbedError."""
    given = [text for text in texts if text is not None]
    if not given:
        return [None] * len(texts)
    try:
        vectors = embed(given)
    except Error:
        raise
    except Exception as error:
        raise EmbedError(f"the embedding function failed: {type(error).__name__}: {error}") from error
    try:
        count = len(vectors)
        first = len(vectors[0]) if count else 0
    except TypeError:
        raise EmbedError(f"the embedding function returned {type(vectors).__name__}, not a list of vectors") from None
    if count != len(given):
        raise EmbedError(f"the embedding function returned {count} vectors for {len(given)} texts")
    if dim is not None and first != dim:
        raise EmbedError(f"the embedding function returns {first} numbers for a text, and the column takes {dim}")
    if len(given) == len(texts):
        return vectors
    rest = iter(vectors)
    return [None if text is None else next(rest) for text in texts]


def register_embed(connection: Any, embed: Embed, *, cache: int = 1000, in_transaction: bool = False) -> None:
    """Makes the SQL function ``embed(text)`` of the connection, for ``WHERE embedding MATCH embed('birds of prey')``.

    The vectors of the last ``cache`` texts are kept. A text that is not among them is refused while a transaction is open, because a
    call that takes long would keep others from writing; ``in_transaction=True`` allows it, for functions that compute locally.
    """
    cache = whole("cache", cache, 0)
    kept: OrderedDict[str, bytes] = OrderedDict()
    lock = Lock()

    def function(text: Any) -> bytes | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise InputError(f"embed() takes a text, got {type(text).__name__}")
        with lock:
            if text in kept:
                kept.move_to_end(text)
                return kept[text]
        if not in_transaction and connection.in_transaction:
            raise EmbedError("embed() is not called while a transaction is open: compute the vector before it")
        vector = embed_texts(embed, [text], None)[0]
        blob = _blobs.one(vector, Column("vector", "vector", dim=len(vector)), "embed()")
        with lock:
            kept[text] = blob
            while len(kept) > cache:
                kept.popitem(last=False)
        return blob

    if hasattr(connection, "create_scalar_function"):
        connection.create_scalar_function("embed", function, 1, deterministic=True)
    else:
        connection.create_function("embed", 1, function, deterministic=True)
