"""Threads and coroutines on one connection."""

import asyncio
import threading

import pytest

import nearlite


def test_threads_take_turns(path):
    db = nearlite.connect(path)
    docs = nearlite.Collection(db, "docs").create(dim=2)
    other = nearlite.Collection(db, "docs")
    errors = []

    def work(number):
        try:
            for at in range(20):
                target = docs if at % 2 else other
                target.upsert(ids=[f"{number}.{at}", f"{number}.{at}+"], texts=["x", "y"], vectors=[[number, at + 1], [1, 1]])
                assert len(target.search([number, at + 1], k=3)) >= 2
                if at % 5 == 0:
                    with pytest.raises(nearlite.ExistsError):
                        target.add(ids=[f"{number}.{at}"])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    assert docs.count() == 8 * 20 * 2 and not db.in_transaction
    docs.verify()
    db.close()


def test_every_method_has_an_async_twin(path):
    async def work():
        docs = await nearlite.Collection(nearlite.connect(path), "docs").acreate(dim=2)
        await asyncio.gather(*(docs.aadd(ids=[f"d{at}"], texts=["x"], vectors=[[1, at]]) for at in range(40)))
        assert await docs.acount() == 40
        assert (await docs.asearch([1, 0], k=1)).ids == ["d0"]
        assert [hits.ids for hits in await docs.asearch_many([[1, 0], [0, 1]], k=1)] == [["d0"], ["d39"]]
        assert await docs.aupdate(ids=["d0"], texts=["y"]) == 1
        assert (await docs.aget("d0"))[0].text == "y"
        assert await docs.adelete(["d0"]) == 1
        with pytest.raises(nearlite.ExistsError):
            await docs.aadd(ids=["d1"])
        assert [hit.id async for hit in docs.aiterate([1, 0])][:3] == ["d1", "d2", "d3"]
        await docs.aoptimize()
        assert (await docs.ainfo())["segments"] == 1
        await docs.adrop()

    asyncio.run(work())
    public = [name for name in dir(nearlite.Collection) if not name.startswith("_")]
    blocking = [name for name in public if callable(getattr(nearlite.Collection, name)) and f"a{name}" in public]
    assert {"create", "add", "upsert", "update", "delete", "get", "search", "search_many", "explain", "optimize", "verify"} <= set(blocking)


def test_an_iteration_goes_on_while_others_write(path):
    docs = nearlite.Collection(nearlite.connect(path), "docs").create(dim=1)
    docs.add(ids=[f"d{at:03}" for at in range(200)], vectors=[[at + 1] for at in range(200)])
    seen = []
    for hit in docs.iterate([1]):
        seen.append(hit.id)
        if len(seen) == 10:
            docs.upsert(ids=["new"], vectors=[[5]])
    assert len(set(seen)) == len(seen) >= 200


def test_columns_change_while_another_thread_counts_and_groups(db):
    docs = nearlite.Collection(db, "docs").create(dim=2)
    docs.add(ids=[str(at) for at in range(3000)], vectors=[[1, at] for at in range(3000)], metadatas=[{"n": at % 7} for at in range(3000)])
    begun, done, failed = threading.Event(), threading.Event(), []

    def read():
        while not done.is_set():
            try:
                assert len(docs.facets("n")) == 7 and len(docs.search([1, 0], group_by="n", k=5)) == 5
            except BaseException as error:
                failed.append(error)
            begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    begun.wait()
    try:
        for at in range(10):
            docs.add_column(f"c{at} INTEGER DEFAULT {at}")
            docs.drop_column(f"c{at}")
    finally:
        done.set()
        reader.join()
    assert not failed


def test_a_table_that_others_make_at_the_same_time_is_made_once(path):
    barrier, errors = threading.Barrier(6), []

    def work(name):
        db = nearlite.connect(path)
        try:
            barrier.wait()
            nearlite.Collection(db, name).create_if_missing(dim=2).add(vectors=[[1, 0]])
        except BaseException as error:
            errors.append(error)
        finally:
            db.close()

    for name in ("one", "two", "three"):
        threads = [threading.Thread(target=work, args=(name,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors[0]
        assert nearlite.Collection(nearlite.connect(path), name).count() == 6


def test_a_table_that_another_connection_made_meanwhile_is_opened(path, monkeypatch):
    first, second = nearlite.connect(path), nearlite.connect(path)
    docs, taken = nearlite.Collection(first, "docs"), nearlite.Collection._taken
    looked = []

    def late(self):
        found = taken(self)
        if self is docs and not looked:
            looked.append(found)
            nearlite.Collection(second, "docs").create(dim=3)
        return found

    monkeypatch.setattr(nearlite.Collection, "_taken", late)
    assert docs.create_if_missing(dim=2).schema.vector().dim == 3 and looked == [False] and not first.in_transaction
    first.execute("BEGIN")
    nearlite.Collection(first, "more").create_if_missing(dim=2).add(vectors=[[1, 0]])
    with pytest.raises(nearlite.SchemaError, match="already"):
        nearlite.Collection(first, "more").create(dim=2)
    assert first.in_transaction
    first.rollback()
    assert nearlite.collections(first) == ["docs"]
    first.close()
    second.close()
