import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { answer } from "../../examples/memory/answer.ts";
import { openDatabase } from "../../examples/memory/database.ts";
import type { Database } from "../../examples/memory/database.ts";
import { openMemory } from "../../examples/memory/memory.ts";
import { extractFacts } from "../../examples/memory/text/facts.ts";
import { contentStems } from "../../examples/memory/text/language.ts";
import type { Verdict } from "../../examples/memory/text/reconcile.ts";
import { extractTriples } from "../../examples/memory/text/triples.ts";
import type { Turn } from "../../examples/memory/text/turns.ts";
import { rarityOf, vectorOf } from "../../examples/memory/text/vector.ts";

const SCHEMA = "memory_test";
const memory = openMemory(SCHEMA);
const said = (id: number, text: string): Turn => {
  const [president, year] = id === 1 ? ["Theodore Roosevelt", 1905] : ["John F Kennedy", 1962];
  return { id, year, president, position: 0, text };
};
const roads = said(
  1,
  "The farmers of this country need good roads. Private insurance helps very few people.",
);
const insurance = said(
  2,
  "Private insurance does not help very few people. Good roads are the need of farmers in this country.",
);
const rarity = rarityOf([roads, insurance].map((turn) => contentStems(turn.text)));

let database: Database;
let pool: pg.Pool;

beforeAll(async () => {
  database = await openDatabase({ connections: 2 });
  pool = database.pool;
}, 30_000);

afterAll(() => database[Symbol.asyncDispose]());

beforeEach(async () => {
  await pool.query(`drop schema if exists ${SCHEMA} cascade`);
  await memory.create(pool);
  await memory.turns.insert(pool, [roads, insurance]);
});

/** Makes the facts of a turn and answers with their ids. */
async function factsOf({ id, text }: Turn): Promise<string[]> {
  const facts = await memory.facts.insert(pool, await memory.turns.find(pool, id), extractFacts(text));
  for (const fact of facts) {
    const stems = contentStems((await memory.facts.findText(pool, fact)) ?? "");
    await memory.facts.saveVector(pool, fact, vectorOf(stems, rarity));
  }
  return facts;
}

/** Makes the triples of a turn and judges all of them the same. */
async function triplesOf({ id, text, president }: Turn, verdict: Verdict = "new"): Promise<void> {
  await memory.triples.insert(pool, await memory.turns.find(pool, id), extractTriples(text, president));
  const triples = await memory.triples.ofTurn(pool, id);
  await memory.triples.judge(
    pool,
    triples.map((triple) => ({ triple: triple.id, fact: undefined, verdict })),
  );
}

const ask = () => answer("Do farmers need roads?", { db: pool, memory, rarity });
const texts = async () => (await ask()).facts.map((fact) => fact.text);

describe("openMemory", () => {
  it("creates its tables once, and again without harm", async () => {
    await memory.create(pool);
    expect((await memory.synthesis.summarize(pool)).turns).toBe(2);
  });

  it("refuses a schema that is not a plain name", () => {
    expect(() => openMemory("Memory")).toThrow(/plain lower-case name/);
  });
});

describe("turnTable", () => {
  it("raises the version of a corrected turn", async () => {
    expect(await memory.turns.find(pool, 1)).toEqual({ ...roads, version: 1 });
    expect(await memory.turns.correct(pool, 1, "New.")).toEqual({
      ...roads,
      text: "New.",
      version: 2,
    });
  });

  it("tells of a turn that is not there", async () => {
    await expect(memory.turns.find(pool, 3)).rejects.toThrow("There is no turn 3 in the memory");
  });
});

describe("answer", () => {
  it("finds the nearest facts with their sources and labels", async () => {
    const [first] = await factsOf(roads);
    await memory.facts.saveLabels(pool, first ?? "", [
      { label: "land", score: 0.7 },
      { label: "work", score: 0.3 },
    ]);
    expect(await ask()).toEqual({
      question: "Do farmers need roads?",
      facts: [
        {
          text: "The farmers of this country need good roads.",
          president: "Theodore Roosevelt",
          year: 1905,
          turn: 1,
          labels: ["land", "work"],
          score: expect.closeTo(0.8, 1),
        },
      ],
    });
  });

  it("finds nothing where nothing is near", async () => {
    await factsOf(roads);
    const question = "Who sails a ship around this cape?";
    expect((await answer(question, { db: pool, memory, rarity })).facts).toEqual([]);
  });

  it("leaves out facts that were retired", async () => {
    const [first] = await factsOf(roads);
    await memory.facts.retire(pool, [{ fact: first ?? "", reason: "rejected" }]);
    expect(await texts()).toEqual([]);
    expect(await memory.facts.findText(pool, first ?? "")).toBeUndefined();
    expect(await memory.facts.ofTurn(pool, 1)).toHaveLength(1);
  });

  it("leaves out duplicates until the fact that they repeat is retired", async () => {
    const [[original], [, repeated]] = [await factsOf(roads), await factsOf(insurance)];
    await memory.facts.markDuplicates(pool, [{ fact: repeated ?? "", sameAs: original ?? "" }]);
    expect(await texts()).toEqual(["The farmers of this country need good roads."]);
    await memory.facts.retire(pool, [{ fact: original ?? "", reason: "stale" }]);
    expect(await texts()).toEqual(["Good roads are the need of farmers in this country."]);
  });
});

describe("factTable", () => {
  it("finds what other turns say first", async () => {
    const [first] = await factsOf(roads);
    const key = (await memory.facts.ofTurn(pool, 1))[0]?.key ?? "";
    expect(await memory.facts.firstWith(pool, [key, "none"], 2)).toEqual(new Map([[key, first]]));
    expect(await memory.facts.firstWith(pool, [key], 1)).toEqual(new Map());
  });
});

describe("tripleTable", () => {
  it("tells whether other turns affirmed or denied a triple, once those are judged", async () => {
    await triplesOf(roads);
    await memory.triples.insert(
      pool,
      await memory.turns.find(pool, 2),
      extractTriples(insurance.text, insurance.president),
    );
    const key = "private insurance | help | very few people";
    const ours = await memory.triples.ofTurn(pool, 2);
    expect((await memory.triples.said(pool, ours, 2)).get(key)).toEqual(new Set(["affirmed"]));
    expect((await memory.triples.said(pool, ours, 1)).get(key)).toBeUndefined();
  });

  it("forgets the triples of a turn", async () => {
    await triplesOf(roads);
    await memory.triples.remove(pool, 1);
    expect(await memory.triples.ofTurn(pool, 1)).toEqual([]);
  });
});

describe("synthesisTable", () => {
  it("finds statements that one turn affirms and another denies", async () => {
    await triplesOf(roads);
    await triplesOf(insurance, "contradicted");
    expect(await memory.synthesis.contradictions(pool, 5)).toEqual([
      {
        statement: "Private insurance help very few people",
        affirmedBy: "Theodore Roosevelt 1905",
        deniedBy: "John F Kennedy 1962",
      },
    ]);
  });

  it("counts what the memory holds", async () => {
    const [first, second] = await factsOf(roads);
    const [third] = await factsOf(insurance);
    await memory.facts.retire(pool, [{ fact: first ?? "", reason: "stale" }]);
    await memory.facts.markDuplicates(pool, [{ fact: third ?? "", sameAs: second ?? "" }]);
    const turn = await memory.turns.correct(pool, 1, roads.text);
    await memory.synthesis.insert(pool, turn, { duplicates: [], judgements: [] });
    const counts = { turns: 2, corrected: 1, facts: 2, duplicates: 1, stale: 1, rejected: 0 };
    expect(await memory.synthesis.summarize(pool)).toMatchObject(counts);
  });
});
