// nearlite in Node.js: by better-sqlite3 where it is installed, else by Node's own node:sqlite (22.13 and newer).

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const suffix = { darwin: ".dylib", win32: ".dll" }[process.platform] ?? ".so";
const given = process.env.NEARLITE_EXTENSION ?? resolve(here, "../../../sqlite-ext/dist/nearlite");
const extension = existsSync(given) ? given : given + suffix;

async function openers() {
  const found = {};
  try {
    const Database = createRequire(import.meta.url)("better-sqlite3");
    new Database(":memory:").close();
    found["better-sqlite3"] = () => {
      const db = new Database(":memory:");
      db.loadExtension(extension);
      return db;
    };
  } catch {
    // Not installed, or its native module could not be built.
  }
  try {
    const { DatabaseSync } = await import("node:sqlite");
    found["node:sqlite"] = () => {
      const db = new DatabaseSync(":memory:", { allowExtension: true });
      db.loadExtension(extension);
      return db;
    };
  } catch {
    // An older Node.
  }
  return found;
}

// A process loads the library for one SQLite only, so the first host found is the one that is tested.
const [name, open] = Object.entries(await openers())[0] ?? ["node", null];
const options = open ? {} : { skip: "neither better-sqlite3 nor node:sqlite is at hand" };
const blob = (vector) => new Uint8Array(new Float32Array(vector).buffer);
const plain = (rows) => rows.map((row) => ({ ...row }));

function filled() {
  const db = open();
  db.exec(`CREATE VIRTUAL TABLE docs USING nearlite(
    id TEXT PRIMARY KEY, body TEXT FULLTEXT, year INTEGER, embedding VECTOR(3) METRIC l2)`);
  const insert = db.prepare("INSERT INTO docs(id, body, year, embedding) VALUES(?, ?, ?, ?)");
  insert.run("a", "red apples", 2001, Buffer.from(blob([0, 0, 0])));
  insert.run("b", "green apples", 2002, Buffer.from(blob([1, 0, 0])));
  insert.run("c", "grey wolves", 2003, Buffer.from(blob([3, 0, 4])));
  return db;
}

test(`${name} finds the nearest rows`, options, () => {
  const rows = filled().prepare("SELECT id, distance FROM docs WHERE embedding MATCH ? ORDER BY distance LIMIT 2");
  assert.deepEqual(plain(rows.all(Buffer.from(blob([0, 0, 0])))), [
    { id: "a", distance: 0 },
    { id: "b", distance: 1 },
  ]);
});

test(`${name} applies a filter inside the search`, options, () => {
  const rows = filled().prepare("SELECT id FROM docs WHERE embedding MATCH '[0,0,0]' AND year > 2001 ORDER BY rank LIMIT 5");
  assert.deepEqual(plain(rows.all()).map((row) => row.id), ["b", "c"]);
});

test(`${name} searches text and both together`, options, () => {
  const db = filled();
  const text = db.prepare("SELECT id FROM docs WHERE docs MATCH 'wolves' ORDER BY rank");
  assert.deepEqual(plain(text.all()).map((row) => row.id), ["c"]);
  const hybrid = db.prepare("SELECT id FROM docs WHERE docs MATCH hybrid_query('apples', '[0,0,0]') ORDER BY rank LIMIT 2");
  assert.deepEqual(plain(hybrid.all()).map((row) => row.id), ["a", "b"]);
});

test(`${name} rolls back`, options, () => {
  const db = filled();
  db.exec("BEGIN; DELETE FROM docs WHERE id = 'a'; ROLLBACK;");
  const rows = db.prepare("SELECT id FROM docs WHERE embedding MATCH '[0,0,0]' ORDER BY distance LIMIT 1");
  assert.deepEqual(plain(rows.all()), [{ id: "a" }]);
});

test(`${name} throws nearlite's own words`, options, () => {
  assert.throws(
    () => filled().exec("INSERT INTO docs(id, embedding) VALUES('d', '[1,2]')"),
    /docs\.embedding.*3.*2/s,
  );
});
