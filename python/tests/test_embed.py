"""Embedding: functions, endpoints, and the SQL function."""

import base64
import http.server
import json
import sqlite3
import struct
import threading

import pytest

import nearlite

LETTERS = "aeiou"


def embed(texts):
    return [[1.0 + text.count(letter) for letter in LETTERS] for text in texts]


class Server:
    """An endpoint that speaks the OpenAI protocol, and does what ``plan`` says about each request."""

    def __init__(self):
        self.requests, self.plan, outer = [], [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append((self.path, dict(self.headers), asked))
                status, body = outer.plan.pop(0) if outer.plan else (200, None)
                if body is None:
                    data = [{"index": at, "embedding": vector} for at, vector in enumerate(embed(asked["input"]))]
                    if asked.get("dimensions"):
                        data = [{**item, "embedding": item["embedding"][: asked["dimensions"]]} for item in data]
                    body = json.dumps({"data": data[::-1]})
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", body)
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def endpoint(server):
    made = nearlite.Endpoint(server.url, model="vowels", batch=3, timeout=5)
    made._wait = 0.0
    return made


def test_a_collection_embeds_texts_and_queries(db):
    docs = nearlite.Collection(db, "docs", embed=embed).create(text=["body"])
    docs.add(ids=["a", "e", "n"], texts=["banana", "tree", None])
    assert docs.schema.vector().dim == 5
    assert docs.search("papaya", k=1).ids == ["a"] and docs.search("eel", words="tree", k=1).ids == ["e"]
    assert [hits.ids for hits in docs.search_many(["papaya", "eel"], k=1)] == [["a"], ["e"]]
    assert docs.get_one("n", include_vectors=True).vector is None
    docs.update(ids=["a"], texts=["eel pie"])
    assert docs.search("pie", k=1).ids == ["a"] and docs.get_one("a", include_vectors=True).vector == embed(["eel pie"])[0]
    docs.update(ids=["a"], metadatas=[{"x": 1}])
    docs.add(ids=["own"], texts=["x"], vectors=[[9, 9, 9, 9, 9]])
    assert docs.get_one("own", include_vectors=True).vector == [9] * 5


def test_the_model_is_stored_and_compared(path):
    def named(name, dim=5):
        def function(texts):
            return [[1.0] * dim for _ in texts]

        function.model = name
        return function

    db = nearlite.connect(path)
    nearlite.Collection(db, "docs", embed=named("one")).create()
    assert nearlite.Collection(db, "docs").schema.model == "one"
    other = nearlite.Collection(db, "docs", embed=named("two"))
    for call in (other.open, lambda: other.add(texts=["x"]), lambda: other.search("x")):
        with pytest.raises(nearlite.ModelError, match="holds vectors of the model 'one', and the embedding function is of 'two'"):
            call()
    assert nearlite.Collection(db, "docs", embed=named("one")).add(ids=["a"], texts=["x"]) == ["a"]
    with pytest.raises(nearlite.EmbedError, match="returns 4 numbers for a text, and the column takes 5"):
        nearlite.Collection(db, "docs", embed=named("one", 4)).add(texts=["x"])
    with pytest.raises(nearlite.ModelError, match="model='x'"):
        nearlite.Collection(db, "more", embed=named("one")).create(model="x")
    db.close()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda texts: 1 / 0, "the embedding function failed: ZeroDivisionError"),
        (lambda texts: [[1.0] * 5], "returned 1 vectors for 2 texts"),
        (lambda texts: None, "returned NoneType, not a list of vectors"),
        (lambda texts: [1.0, 2.0], "returned list, not a list of vectors"),
    ],
)
def test_a_function_that_fails_writes_nothing(db, function, message):
    docs = nearlite.Collection(db, "docs", embed=function).create(dim=5)
    with pytest.raises(nearlite.EmbedError, match=message):
        docs.add(ids=["a", "b"], texts=["x", "y"])
    assert docs.count() == 0


def test_no_transaction_is_open_while_a_function_is_called(db):
    seen = []
    docs = nearlite.Collection(db, "docs", embed=lambda texts: seen.append(db.in_transaction) or embed(texts)).create(text=["body"])
    docs.add(texts=["x"])
    docs.upsert(texts=["x"])
    docs.update(ids=["a"], texts=["y"])
    docs.search("x")
    assert seen == [False] * 5


def test_an_endpoint_is_asked_in_batches(server, endpoint):
    texts = ["banana", "tree", "fig", "onion", "plum", "eel", "kiwi"]
    assert endpoint(texts) == embed(texts)
    assert [len(asked["input"]) for _, _, asked in server.requests] == [3, 3, 1]
    path, headers, asked = server.requests[0]
    assert path == "/v1/embeddings" and asked["model"] == "vowels" and "Authorization" not in headers
    assert len(nearlite.Endpoint(server.url + "/embeddings/", "vowels", api_key="k", dimensions=2)(["x"])[0]) == 2
    assert server.requests[-1][1]["Authorization"] == "Bearer k" and server.requests[-1][2]["dimensions"] == 2
    packed = base64.b64encode(struct.pack("<2f", 1, 2)).decode()
    server.plan = [(200, json.dumps({"data": [{"embedding": packed}]}))]
    assert endpoint(["x"]) == [[1.0, 2.0]]


def test_what_fails_in_passing_is_tried_again(server, endpoint):
    server.plan = [(429, "{}"), (503, "busy"), (200, None)]
    assert endpoint(["tree"]) == embed(["tree"]) and len(server.requests) == 3
    server.plan = [(500, '{"error": {"message": "out of memory"}}')] * 9
    with pytest.raises(nearlite.EmbedError, match="status 500: out of memory"):
        endpoint(["tree"])
    assert len(server.requests) == 3 + 4


def test_what_fails_for_good_is_told(server, endpoint):
    for plan, message in [
        ((401, '{"error": "wrong key"}'), "refused the request with status 401: wrong key"),
        ((404, "no such page"), "status 404: 'no such page'"),
        ((200, "<html>"), "returned no embeddings: '<html>'"),
        ((200, '{"data": [{"embedding": [1]}, {"embedding": [2]}]}'), "returned 2 vectors for 1 texts"),
        ((200, '{"data": [{"embedding": "%%%"}]}'), "returned no embeddings"),
    ]:
        server.plan = [plan]
        with pytest.raises(nearlite.EmbedError, match=message):
            endpoint(["x"])
    with pytest.raises(nearlite.EmbedError, match="cannot be reached"):
        nearlite.Endpoint("http://127.0.0.1:9", "m", retries=0)(["x"])
    with pytest.raises(nearlite.InputError, match="begins with http"):
        nearlite.Endpoint("localhost", "m")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(server, status):
    other = Server()
    server.plan = [(status, other.url + "/embeddings")]
    # The other host was sent the key.
    with pytest.raises(nearlite.EmbedError, match=f"has moved to {other.url}/embeddings: make the endpoint with that URL"):
        nearlite.Endpoint(server.url, "vowels", api_key="secret", retries=2)(["x"])
    assert len(server.requests) == 1 and other.requests == []
    other.server.shutdown()
    other.server.server_close()


def test_an_endpoint_that_fails_half_way_writes_nothing(db, server, endpoint):
    docs = nearlite.Collection(db, "docs", embed=endpoint).create(text=["body"])
    assert docs.schema.model == "vowels"
    server.plan = [(200, None), (400, "no")]
    with pytest.raises(nearlite.EmbedError, match="status 400"):
        docs.add(texts=["a"] * 6)
    assert docs.count() == 0


def test_the_sql_function(db):
    calls = []
    docs = nearlite.Collection(db, "docs", embed=embed).create(text=["body"])
    docs.add(ids=["a", "e"], texts=["banana", "tree"])
    nearlite.register_embed(db, lambda texts: calls.append(texts) or embed(texts), cache=2)
    sql = "SELECT id FROM docs WHERE embedding MATCH embed(?) ORDER BY distance LIMIT 1"
    assert db.execute(sql, ["papaya"]).fetchall() == [("a",)] and db.execute(sql, ["papaya"]).fetchall() == [("a",)]
    assert db.execute("SELECT embed(NULL)").fetchall() == [(None,)]
    assert calls == [["papaya"]]
    db.execute("BEGIN")
    assert db.execute(sql, ["papaya"]).fetchall() == [("a",)]
    with pytest.raises(sqlite3.OperationalError):
        db.execute(sql, ["eel"]).fetchall()
    db.rollback()
    for word in ("eel", "fig", "papaya"):
        db.execute(sql, [word]).fetchall()
    assert calls == [["papaya"], ["eel"], ["fig"], ["papaya"]]


def test_the_texts_that_come_without_a_vector_are_embedded(db):
    asked = []
    docs = nearlite.Collection(db, "docs", embed=lambda texts: asked.append(texts) or embed(texts))
    docs.create(dim={"e": 5, "f": 2}, text=["body"])
    own = [9.0] * 5
    docs.add([{"id": "a", "body": "banana"}, {"id": "b", "body": "eel", "e": own}, {"id": "c", "e": own}, {"id": "d"}, {"id": "g", "body": "g"}])
    assert asked.pop() == ["banana", "g"] and not asked
    read = {row.id: row.vectors["e"] for row in docs.get(include_vectors=True)}
    assert read == {"a": embed(["banana"])[0], "b": own, "c": own, "d": None, "g": embed(["g"])[0]}
    docs.upsert(ids=["a", "b", "c"], texts=["x", "ee", None], vectors={"E": [own, None, None]})
    assert asked.pop() == ["ee"] and docs.get_one("b", include_vectors=True).vectors["e"] == embed(["ee"])[0]
    # A vector for another column is none for this one.
    docs.upsert(ids=["a"], texts=["iii"], vectors={"f": [[1, 2]]})
    assert asked.pop() == ["iii"] and docs.get_one("a", include_vectors=True).vectors == {"e": embed(["iii"])[0], "f": [1, 2]}
    docs.upsert(ids=["a"], texts=["x"], vectors=[own])
    assert not asked
    rows = [{"id": "a", "k": 1}, {"id": "b", "body": "oo"}, {"id": "c", "e": [1] * 5}, {"id": "d", "body": "u", "e": None}, {"id": "g", "body": None}]
    assert docs.update(rows) == 5 and asked.pop() == ["oo"]
    read = {row.id: (row.text, row.vectors["e"]) for row in docs.get(include_vectors=True)}
    assert read == {"a": ("x", own), "b": ("oo", embed(["oo"])[0]), "c": (None, [1] * 5), "d": ("u", None), "g": (None, None)}


def test_vectors_of_arrow_and_numpy_are_completed(db):
    numpy = pytest.importorskip("numpy")
    docs = nearlite.Collection(db, "docs", embed=lambda texts: numpy.array(embed(texts))).create()
    docs.add(ids=["a", "b"], texts=["a", "b"], vectors=numpy.ones((2, 5)))
    pyarrow = pytest.importorskip("pyarrow")
    docs.add(pyarrow.table({"id": ["c", "d"], "text": ["cc", "dd"], "embedding": pyarrow.array([[2.0] * 5, None])}))
    assert [row.vector for row in docs.get(include_vectors=True)] == [[1] * 5, [1] * 5, [2] * 5, embed(["dd"])[0]]


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"HTTP/1.1 429 Slow\r\nContent-Length: 9\r\n\r\n{"]
)
def test_an_answer_that_is_cut_off_is_asked_for_again(answer):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    whole = json.dumps({"data": [{"embedding": [1, 2]}]}).encode()
    answers = [answer, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(whole), whole), answer]

    def serve():
        for each in answers:
            connection, _ = listener.accept()
            while b'"input"' not in connection.recv(65536):
                pass
            connection.sendall(each)
            connection.close()

    listener.settimeout(20)
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    made = nearlite.Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}", "m", timeout=5, retries=1)
    made._wait = 0.0
    assert made(["x"]) == [[1, 2]]
    made.retries = 0
    with pytest.raises(nearlite.EmbedError):
        made(["x"])
    thread.join()
    listener.close()


def test_a_pause_that_is_none_is_not_made():
    from nearlite.embed import _seconds

    for asked in ("-1", "nan", "-inf", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", None):
        assert _seconds(asked, 0.5) == 0.5
    assert _seconds("2.5", 0.5) == 2.5 and _seconds("0", 0.5) == 0 and _seconds("inf", 0.5) == _seconds("9" * 400, 0.5) == 60


def test_the_key_is_not_sent_to_the_machine_itself(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    own = ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"]
    for host in own:
        assert nearlite.Endpoint(f"http://{host}:8080/v1", "m")._key is None, host
    for host in ("example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"):
        assert nearlite.Endpoint(f"http://{host}/v1", "m")._key == "secret", host
