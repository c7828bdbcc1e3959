"""The rows of `scale.py`: vectors, tags and texts by number, and histories of commits. The same seed gives the same rows.

A vector is a mixture of two real embeddings and a little noise, so any number of rows has the structure of real ones.
"""

import numpy as np

BLOCK = 4096
TAGS = 1000
WORDS = 5000
# Commits of a table that grows: many are small, most rows come in large ones.
COMMITS = (1, 1, 1, 1, 10, 10, 10, 100, 100, 1000, 1000, 5000, 20000)
# Of so many rows in a hundred that are written, another one is updated, and another one deleted.
UPDATED = DELETED = 10


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


class Vectors:
    """Vectors by number, made of the embeddings `base` block by block."""

    def __init__(self, base, seed=7):
        self.base, self.seed, self.known = base, seed, (None, None)
        self.dim = base.shape[1]

    def block(self, number):
        if self.known[0] != number:
            draw = np.random.default_rng((self.seed, number))
            one, other = (self.base[draw.integers(len(self.base), size=BLOCK)].astype("f4") for _ in range(2))
            share = draw.uniform(0.55, 0.95, (BLOCK, 1)).astype("f4")
            mixed = share * one + (1 - share) * other + draw.normal(0, 0.02, (BLOCK, self.dim)).astype("f4")
            self.known = (number, unit(mixed).astype("<f4"))
        return self.known[1]

    def __getitem__(self, numbers):
        numbers = np.asarray(numbers)
        out = np.empty((len(numbers), self.dim), "<f4")
        for block in np.unique(numbers // BLOCK):
            here = numbers // BLOCK == block
            out[here] = self.block(int(block))[numbers[here] % BLOCK]
        return out


def tag(number):
    return number * 7919 % TAGS


def text(number, words=12):
    """Words of which the first ones are frequent."""
    draw = np.random.default_rng((11, number))
    return " ".join(f"w{int(WORDS ** share)}" for share in draw.uniform(0, 1, words))


def bulk(rows):
    """All rows in one commit: (new numbers, [(number, number of its new vector)], deleted numbers)."""
    return [(range(rows), [], [])]


def grown(rows, seed=5):
    """Commits of mixed sizes up to this many rows, with updates and deletes; an updated row gets a vector beyond all others."""
    draw = np.random.default_rng(seed)
    alive, first, fresh, commits = [], 0, rows, []
    while first < rows:
        size = min(int(draw.choice(COMMITS)), max(1, rows // 5), rows - first)
        new = range(first, first + size)
        first += size
        changed, gone = [], []
        for _ in range(int(draw.binomial(size, (UPDATED + DELETED) / 100))):
            if len(alive) < 2:
                break
            at = int(draw.integers(len(alive)))
            number = alive[at]
            if draw.random() < UPDATED / (UPDATED + DELETED):
                changed.append((number, fresh))
                fresh += 1
            else:
                alive[at] = alive[-1]
                alive.pop()
                gone.append(number)
        # A row may be updated and then deleted in one commit: only the deletion is left.
        dead = set(gone)
        commits.append((new, [pair for pair in changed if pair[0] not in dead], gone))
        alive.extend(new)
    return commits


def final(commits):
    """Rows that live at the end, and the vector of each."""
    vector = {}
    for new, changed, gone in commits:
        vector.update((number, number) for number in new)
        vector.update(changed)
        for number in gone:
            del vector[number]
    numbers = np.array(sorted(vector))
    return numbers, np.array([vector[number] for number in numbers])


def truth(vectors, state, queries, k, passes=None):
    """The k nearest living rows of each query, among those whose tag is below `passes`."""
    numbers, of = state
    if passes is not None:
        keep = np.array([tag(int(number)) < passes for number in numbers], bool)
        numbers, of = numbers[keep], of[keep]
    best = [(np.empty((len(queries), 0)), np.empty((len(queries), 0), int))]
    order = np.argsort(of, kind="stable")
    for part in np.array_split(order, max(1, len(order) // 20_000)):
        similar = queries @ vectors[of[part]].T
        scores = np.hstack([best[0][0], similar])
        rows = np.hstack([best[0][1], np.broadcast_to(numbers[part], similar.shape)])
        top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best = [(np.take_along_axis(scores, top, 1), np.take_along_axis(rows, top, 1))]
    return best[0][1]
