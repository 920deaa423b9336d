import { describe, expect, it } from "vitest";
import { LEVELS } from "../../src/log.ts";
import { grantsSql } from "../../src/postgres/grants.ts";
import { codeBlocks, readDocument, tableRows } from "./document.ts";
import { migratedDatabase } from "./fresh-database.ts";

const text = readDocument("docs/on-call.md");
const blocks = codeBlocks(text, "sql");

/** Words in code marks that are written as types of events are. */
const hyphenated = [...text.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(([, word = ""]) => word);
/** What the table of symptoms names. */
const symptoms = tableRows(text).flatMap(([seen = ""]) =>
  `\`${seen}\``.split(/`,? ?/).filter((word) => /^[a-z-]+$/.test(word)),
);
/** Told by `client.events()` alone. */
const OF_HEARING = ["listening", "deaf", "gap"];

describe("docs/on-call.md", () => {
  it("names events that there are", () => {
    const known = [...Object.keys(LEVELS), ...OF_HEARING];
    expect(hyphenated.length).toBeGreaterThan(20);
    expect([...hyphenated, ...symptoms].filter((word) => !known.includes(word))).toEqual([]);
  });

  it("leads from every event that is logged as a warning or an error to a part", () => {
    const loud = Object.entries(LEVELS).filter(([, level]) => level === "warn" || level === "error");
    expect(loud.map(([type]) => type).filter((type) => !symptoms.includes(type))).toEqual([]);
  });

  it("begins with the query of docs/postgres.md that finds what nobody works off", () => {
    expect(codeBlocks(readDocument("docs/postgres.md"), "sql")).toContain(blocks[0]);
  });

  it("has SQL that runs with the rights of the admin role, and writes nothing", async () => {
    await using database = await migratedDatabase();
    const { db } = database;
    // Roles belong to the whole server: what is tried is taken back.
    await db.query("begin");
    await db.query(`create role mill_paged; ${grantsSql("millrace", { admin: "mill_paged" })}`);
    await db.query("set local role mill_paged; set transaction read only");
    for (const block of blocks) await db.query(block);
    await db.query("rollback");
    expect(blocks.length).toBeGreaterThan(5);
  }, 30_000);
});
