import pg from "pg";
import { describe, expect, it } from "vitest";
import { filter, firstValueFrom } from "rxjs";
import { createClient, payload } from "../../src/index.ts";
import { DEFAULT_ROLES, ROLE_KINDS, grantsSql } from "../../src/postgres/grants.ts";
import { codeBlocks, readDocument } from "./document.ts";
import { freshDatabase, migratedDatabase } from "./fresh-database.ts";

const blocks = codeBlocks(readDocument("docs/postgres.md"), "sql");
const signature = blocks.find((block) => block.startsWith("millrace.enqueue(")) ?? "";
const rights = blocks.find((block) => block.startsWith("create role")) ?? "";
const due = blocks.find((block) => block.includes("as due")) ?? "";
const others = blocks.filter((block) => block !== signature && block !== rights);

/** A signature in one line, in the words of Postgres and without the casts of its defaults. */
const plain = (text: string): string =>
  text
    .replaceAll(/::[\w[\]]+( with time zone)?/g, "")
    .replaceAll("timestamptz", "timestamp with time zone")
    .replaceAll(/\bint\b/g, "integer")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\( | \)/g, (mark) => mark.trim())
    .toLowerCase()
    .trim();

describe("docs/postgres.md", () => {
  it("tells the rights that `millrace grants --show-sql` prints", () => {
    const roles = ROLE_KINDS.map((kind) => `create role ${DEFAULT_ROLES[kind]};\n`).join("");
    expect(`${rights.trim()}\n`).toBe(`${roles}\n${grantsSql("millrace", DEFAULT_ROLES)}`);
  });

  it("has SQL that runs, a signature that is the function's, and a trigger that enqueues", async () => {
    await using database = await migratedDatabase();
    const { db } = database;
    // Roles belong to the whole server: what is tried is taken back.
    await db.query("begin");
    await db.query(rights);
    await db.query("rollback");

    await db.query("create table orders (id int primary key)");
    for (const block of others) await db.query(block);
    await db.query("insert into orders values (7)");
    const jobs = await db.query<{ kind: string; source: string }>(
      "select kind, source from millrace.pending",
    );
    expect(jobs.rows).toEqual([{ kind: "confirm", source: "7" }]);

    const { rows } = await db.query<{ text: string }>(
      `select format('millrace.enqueue(%s) returns %s',
                pg_get_function_arguments(oid), pg_get_function_result(oid)) as text
         from pg_proc where oid = 'millrace.enqueue'::regproc`,
    );
    expect(plain(signature)).toBe(plain(rows[0]?.text ?? ""));
  }, 30_000);

  it("finds jobs whose queue nobody drains, and those whose kind nobody handles", async () => {
    await using database = await freshDatabase();
    const { connectionString } = database;
    const jobs = { grind: payload<null>(), sift: payload<null>() };
    await using client = createClient({ connectionString, jobs, logger: false });
    await client.migrate();
    await using _worker = await client.spawnWorker({ handlers: { grind: () => undefined } });
    await firstValueFrom(client.workers().pipe(filter(({ length }) => length === 1)));
    await client.enqueue("sift", null);
    await client.enqueue("grind", null, { queue: "defualt" });
    await client.enqueue("grind", null, { queue: "defualt", delayMs: 60_000 });
    const db = new pg.Client({ connectionString });
    await db.connect();
    try {
      const { rows } = await db.query<object>(
        `select queue, kind, due, workers from (${due.replace(";", "")}) d`,
      );
      expect(rows).toEqual([
        { queue: "default", kind: "sift", due: "1", workers: "1" },
        { queue: "defualt", kind: "grind", due: "1", workers: "0" },
      ]);
    } finally {
      await db.end();
    }
  }, 30_000);
});
