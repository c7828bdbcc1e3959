"""Nearest-neighbour libraries with Python packages, each behind the same few calls.

`module` is imported as `lib` before anything is measured. `build` makes the index with so many threads. `one(param)` gives a function from a query to row numbers, `many(param)` one from all
queries to rows of row numbers, on one thread; either may be absent. `sweep` is what `param` runs through, cheapest first. Vectors have
unit length, so each library takes the metric it serves best. Settings are those the authors publish or use in ann-benchmarks; an
index of the graph kind gets M 16 (degree 32) and a build breadth of 200 unless they say otherwise.
"""

import json
import os
import tempfile

import numpy as np

BREADTHS = (10, 12, 16, 20, 24, 32, 40, 56, 80, 120, 180, 270, 400, 600, 900, 1400)


class Library:
    package = module = None
    config = ""
    sweep = BREADTHS
    # Later params find more: the sweep may end when nearly everything is found.
    rising = True
    many = None

    def label(self, param):
        return f"ef={param}"

    def shape(self, queries):
        """The queries in the form that `one` takes, made before the clock runs."""
        return list(queries)


def as_rows_of_one(queries):
    return [queries[at : at + 1] for at in range(len(queries))]


class Hnswlib(Library):
    package, module = "hnswlib", "hnswlib"
    config = "f32, M 16, ef_construction 200"

    def build(self, rows, k, threads):
        self.k, self.index = k, self.lib.Index(space="ip", dim=rows.shape[1])
        self.index.init_index(max_elements=len(rows), ef_construction=200, M=16)
        self.index.set_num_threads(threads)
        self.index.add_items(rows)
        self.index.set_num_threads(1)

    def one(self, param):
        self.index.set_ef(param)
        return lambda query: self.index.knn_query(query, self.k)[0][0]

    def many(self, param):
        self.index.set_ef(param)
        return lambda queries: self.index.knn_query(queries, self.k)[0]


class Symqg(Library):
    """SymphonyQG of RaBitQ's authors: codes of one bit inside each vertex."""

    package, module = "rabitqlib", "rabitqlib"
    config = "SymphonyQG, degree 32, breadth 200, exact f32"

    def build(self, rows, k, threads):
        self.k, self.index = k, self.lib.SymqgIndex(rows.shape[1], 32, "l2", 0)
        self.index.build(rows, 200, num_threads=threads)

    def shape(self, queries):
        return as_rows_of_one(queries)

    def one(self, param):
        return lambda query: self.index.search(query, self.k, param)[0][0]

    def many(self, param):
        return lambda queries: self.index.search_batch(queries, self.k, param, 1)[0]


class Svs(Library):
    """Intel's library; its compressed forms refuse processors of others."""

    package, module = "scalable-vs", "svs"
    config = "Vamana f16, degree 64, window 200"

    def build(self, rows, k, threads):
        self.k = k
        settings = self.lib.VamanaBuildParameters(alpha=1.2, graph_max_degree=64, window_size=200)
        self.index = self.lib.Vamana.build(settings, rows.astype("f2"), self.lib.DistanceType.L2, num_threads=threads)
        self.index.num_threads = 1

    def shape(self, queries):
        return as_rows_of_one(queries.astype("f2"))

    def one(self, param):
        self.index.search_window_size = param
        return lambda query: self.index.search(query, self.k)[0][0]

    def many(self, param):
        self.index.search_window_size = param
        return lambda queries: self.index.search(queries.astype("f2"), self.k)[0]


class Vsag(Library):
    package, module = "pyvsag", "pyvsag"
    config = "hgraph, 8-bit codes and f32 reorder, degree 32, ef_construction 300"

    def build(self, rows, k, threads):
        self.lib.set_logger_off()
        index = {
            "base_quantization_type": "sq8_uniform", "precise_quantization_type": "fp32", "use_reorder": True,
            "max_degree": 32, "ef_construction": 300, "build_thread_count": threads,
        }
        about = {"dtype": "float32", "metric_type": "ip", "dim": rows.shape[1], "index_param": index}
        self.k, self.index = k, self.lib.Index("hgraph", json.dumps(about))
        self.index.build(vectors=rows.reshape(-1), ids=np.arange(len(rows)), num_elements=len(rows), dim=rows.shape[1])

    def one(self, param):
        settings = json.dumps({"hgraph": {"ef_search": param}})

        def search(query):
            first, second = self.index.knn_search(query, self.k, settings)
            return first if np.issubdtype(np.asarray(first).dtype, np.integer) else second

        return search


class Faiss(Library):
    package, module = "faiss-cpu", "faiss"
    config = "HNSW f32, M 16, efConstruction 200"

    def build(self, rows, k, threads):
        self.lib.omp_set_num_threads(threads)
        self.k, self.index = k, self.lib.IndexHNSWFlat(rows.shape[1], 16, self.lib.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 200
        self.index.add(rows)
        self.lib.omp_set_num_threads(1)

    def shape(self, queries):
        return as_rows_of_one(queries)

    def one(self, param):
        self.index.hnsw.efSearch = param
        return lambda query: self.index.search(query, self.k)[1][0]

    def many(self, param):
        self.index.hnsw.efSearch = param
        return lambda queries: self.index.search(queries, self.k)[1]


class Usearch(Library):
    package, module = "usearch", "usearch.index"
    config = "f16, M 16, expansion_add 200"

    def build(self, rows, k, threads):
        self.k = k
        self.index = self.lib.Index(ndim=rows.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(rows)), rows, threads=threads)

    def one(self, param):
        self.index.expansion_search = param
        return lambda query: self.index.search(query, self.k, threads=1).keys

    def many(self, param):
        self.index.expansion_search = param
        return lambda queries: self.index.search(queries, self.k, threads=1).keys


class Scann(Library):
    """Partitions with fast scans: the best kind where dimensions are few."""

    package, module = "scann", "scann"
    sweep = ((3, 20), (5, 25), (8, 30), (12, 30), (16, 30), (20, 40), (25, 60), (30, 80), (40, 80), (50, 100), (60, 120), (80, 150),
             (110, 200), (150, 300), (200, 500), (300, 1000))

    def build(self, rows, k, threads):
        self.k, leaves, block = k, int(1.5 * np.sqrt(len(rows))), 1 if rows.shape[1] < 64 else 2
        self.config = f"{leaves} leaves, {block} dimensions a block, threshold 0.2, exact f32"
        builder = self.lib.scann_ops_pybind.builder(rows, k, "dot_product").set_n_training_threads(threads)
        builder = builder.tree(leaves, 1, training_sample_size=min(len(rows), 100_000), spherical=True, quantize_centroids=True)
        self.index = builder.score_ah(block, anisotropic_quantization_threshold=0.2).reorder(100).build()

    def label(self, param):
        return f"leaves={param[0]} reorder={param[1]}"

    def one(self, param):
        return lambda query: self.index.search(query, self.k, param[1], param[0])[0]

    def many(self, param):
        return lambda queries: self.index.search_batched(queries, self.k, param[1], param[0])[0]


class Zvec(Library):
    """A database in the process, asked by its numbers of rows, which its fast path gives."""

    package, module = "zvec", "zvec"
    config = "HNSW int8 and f32 refine, M 16, ef_construction 200"

    def build(self, rows, k, threads):
        zvec = self.lib
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1, optimize_threads=threads)
        graph = zvec.HnswIndexParam(
            zvec.MetricType.IP, m=16, ef_construction=200, quantize_type=zvec.QuantizeType.INT8, use_contiguous_memory=True
        )
        column = zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, rows.shape[1], graph)
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "zvec")
        store = zvec.create_and_open(path=path, schema=zvec.CollectionSchema(name="b", vectors=column))
        for at in range(0, len(rows), 1000):
            store.insert([zvec.Doc(id=str(row), vectors={"v": rows[row]}) for row in range(at, min(at + 1000, len(rows)))])
        store.optimize(zvec.OptimizeOption(concurrency=threads))
        store.flush()
        store.close()
        del store
        self.k = k
        self.index = zvec.open(path, zvec.CollectionOption(read_only=True, enable_mmap=False))

    def one(self, param):
        settings = self.lib.HnswQueryParam(ef=param, is_using_refiner=True, scale_factor=3.0)
        return lambda query: self.index.query_internal_ids(self.lib.Query("v", vector=query, param=settings), topk=self.k)

    def rows_of(self, answer):
        return [-1 if row is None else int(row) for row in self.index.resolve_internal_ids(answer)]


LIBRARIES = {
    "hnswlib": Hnswlib,
    "symqg": Symqg,
    "svs": Svs,
    "vsag": Vsag,
    "faiss": Faiss,
    "usearch": Usearch,
    "scann": Scann,
    "zvec": Zvec,
}
