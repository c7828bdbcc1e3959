"""From the points of a sweep to the figures that are shown: frontier, speed at a recall. Standard library only."""

import math

TARGETS = (0.90, 0.95, 0.99)


def frontier(points):
    """The points (recall, speed) that no other beats in both, by rising recall."""
    best = []
    for recall, speed in sorted(points, key=lambda point: (-point[0], -point[1])):
        if not best or speed > best[-1][1]:
            best.append((recall, speed))
    return best[::-1]


def speed_at(points, recall):
    """(speed, sign) at a recall: the logarithm of the speed is taken as linear in recall between two points of the frontier.
    The sign is ">=" where even the fastest point has a higher recall; (None, "") where the sweep did not reach it."""
    front = frontier(points)
    if not front or front[-1][0] < recall:
        return None, ""
    if front[0][0] >= recall:
        return front[0][1], "" if front[0][0] == recall else ">="
    for (low, fast), (high, slow) in zip(front, front[1:]):
        if low <= recall <= high:
            share = (recall - low) / (high - low)
            return math.exp((1 - share) * math.log(fast) + share * math.log(slow)), ""
    raise AssertionError("a frontier is sorted by recall")


def points_of(result, clock):
    """(recall, speed) of a library: of a call a query and a call for all, whichever is faster, so that no library pays for
    Python's calls. `clock` is "wall" or "cpu"."""
    field = {"wall": "qps", "cpu": "cpu_qps"}[clock]
    return [(point["recall"], point[field]) for point in result["points"] if point.get(field)]


# How the libraries and the data sets are called in tables and plots; what is not here keeps its own name.
NAMES = {
    "nearlite": "nearlite",
    "nearlite-file": "nearlite, vectors in a file",
    "nearlite-none": "nearlite without codes",
    "nearlite-none-file": "nearlite without codes, vectors in a file",
    "symqg": "SymphonyQG (rabitqlib)",
    "svs": "svs",
    "vsag": "vsag",
    "faiss": "faiss HNSW",
    "scann": "ScaNN",
}
SETS = {
    "debian384": "debian: descriptions of packages, sentence embeddings",
    "fm784": "fashion-mnist: pixels of images",
    "wordnet384": "wordnet: dictionary entries searched with sentences, sentence embeddings",
    "glove100": "glove: word vectors",
}


def is_ours(peer):
    return peer.startswith("nearlite")


def size_of(about):
    return f"{about['rows']:,} x {about['dim']}"


def bytes_a_vector(result):
    return result["rss_mb"] * 2**20 / result["rows"] if "rss_mb" in result else None


def build_seconds(result, clock):
    return result.get({"wall": "build_s", "cpu": "build_cpu_s"}[clock])


def by_speed(about, clock, recall=0.95):
    """(library, result) of those that have points, the fastest at a recall first."""
    measured = [item for item in about["results"].items() if points_of(item[1], clock)]
    return sorted(measured, key=lambda item: -(speed_at(points_of(item[1], clock), recall)[0] or 0))
