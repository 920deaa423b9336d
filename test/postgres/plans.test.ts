import type pg from "pg";
import { beforeEach, describe, expect, it } from "vitest";
import { statements } from "../../src/postgres/statements.ts";
import type { Statements } from "../../src/postgres/statements.ts";
import { INTO, values } from "../../src/postgres/columns.ts";
import { enqueueIn } from "../../src/postgres/transaction.ts";
import { newJob, FAILED, kept } from "../contract/bench.ts";
import { usePostgres } from "../support/postgres.ts";
import { openBench } from "./store-bench.ts";

const database = usePostgres();
const sql = statements("millrace");

const ROWS = 12_000;

/** What a plan is planned for: values of the right types. */
const VALUES: Partial<Record<keyof Statements, readonly string[]>> = {
  enqueue: [
    "{mill}",
    "{default}",
    "{1}",
    "{0}",
    "{0}",
    "{null}",
    "{3}",
    "{null}",
    "{null}",
    "{null}",
    "{null}",
  ],
  notify: ["channel", "{default}"],
  claim: ["1", "default", "{mill}", "10", "10", "{1,2}", "{1,1}", "1", "0", "1"],
  promote: ["1", "{default,other}", "{mill}"],
  complete: ["1", "{1,2}", "{1,1}"],
  settle: ["1", "{1}", "{1}", "{gone}", "{0}", "{0}", "{null}", "{null}", "{null}", "{null}"],
  left: ["1", "{1,2}"],
  heartbeat: ["1", "1000"],
  progress: ["1", "{1}", "{1}", "{7}"],
  listFailed: ["10"],
  retryJob: ["channel", "1"],
  retryAll: ["channel", "0"],
  retryKind: ["channel", "0", "mill"],
  countFailedKind: ["mill"],
  deleteFailed: ["1"],
  expireResults: ["1000"],
};

/** The indexes that the docstrings of the hot statements name. */
const HOT: readonly (readonly [keyof Statements, readonly string[]])[] = [
  // They read no table.
  ["enqueue", []],
  ["notify", []],
  ["claim", ["claimed_pkey", "pending_claim", "pending_crashed", "claimed_suspect"]],
  ["promote", ["pending_claim", "scheduled_due", "claimed_cancelled"]],
  ["complete", ["claimed_pkey"]],
  ["settle", ["claimed_pkey"]],
  ["heartbeat", ["workers_pkey"]],
  ["progress", ["claimed_pkey"]],
];

/** The same for statements whose tables are big when it matters. */
const OTHERS: readonly (readonly [keyof Statements, readonly string[]])[] = [
  ["listFailed", ["failed_newest"]],
  ["retryJob", ["failed_pkey"]],
  ["retryAll", ["failed_pkey"]],
  ["retryKind", []],
  ["countFailedKind", ["failed_kind"]],
  ["deleteFailed", ["failed_pkey"]],
  ["expireResults", ["completed_expires"]],
];

/** Statements that take the first rows of an index in its order, from wherever it begins. */
const ORDERED: ReadonlySet<keyof Statements> = new Set(["listFailed"]);

describe("the plans of statements that are prepared while the queue is empty", () => {
  beforeEach(async () => {
    for (const table of ["pending", "scheduled", "claimed"]) {
      await database.pool.query(`vacuum analyze millrace.${table}`);
    }
  });

  it.each(HOT)("%s uses %j", async (name, indexes) => {
    await expectByIndexes(name, indexes);
  });
});

describe("the plans of statements that are prepared while tables are full", () => {
  beforeEach(fill);

  it("use the index that each docstring names, and read no table of jobs from end to end", async () => {
    for (const [name, indexes] of [...HOT, ...OTHERS]) await expectByIndexes(name, indexes);
    await expectLeftByIds(["pending", "scheduled", "claimed", "failed", "completed"]);
  });
});

describe("the plans of statements that are prepared while only dead rows stand in the tables", () => {
  it("use the same indexes, in their order", async () => {
    const holder = await database.client();
    await holder.query("begin isolation level repeatable read");
    await holder.query("select 1");
    await fill();
    for (const table of ["pending", "scheduled", "claimed"]) {
      await database.pool.query(`delete from millrace.${table}`);
      await database.pool.query(`analyze millrace.${table}`);
    }
    for (const [name, indexes] of HOT) {
      const plan = await expectByIndexes(name, indexes);
      expect([name, ...plan.sortsTables]).toEqual([name]);
    }
  });
});

describe("the plans of hot statements with a million rows", () => {
  it(
    "use the same indexes, and sort nothing that they read of the tables",
    { timeout: 120_000 },
    async () => {
      await fillMillion();
      for (const [name, indexes] of HOT) {
        const plan = await expectByIndexes(name, indexes);
        expect([name, ...plan.sortsTables]).toEqual([name]);
      }
      const enqueued = (client: pg.PoolClient): Promise<unknown> =>
        enqueueIn(client, sql, [newJob(), newJob({ key: "the first" })]);
      expect(await readWholeBy(enqueued)).toEqual([]);
      const recovered = (client: pg.PoolClient): Promise<unknown> => client.query(sql.recover.text, [100]);
      expect(await readWholeBy(recovered)).toEqual(["workers"]);
      await expectLeftByIds(["pending", "scheduled", "claimed"]);
      const held = await database.pool.query<{ id: string }>(
        "select worker_id as id from millrace.claimed limit 1",
      );
      const takenOver = (client: pg.PoolClient): Promise<unknown> =>
        client.query(sql.takeOver.text, [held.rows[0]?.id, "default", 0, 2, 10]);
      // It comes after a lost reply only, and that table holds no more than workers hold at once.
      expect(await readWholeBy(takenOver)).toEqual(["claimed"]);
    },
  );
});

describe("the failed jobs of a source", () => {
  it("are found by the index failed_source", async () => {
    await fill();
    const plan = await planOfText("select f.id, f.reason from millrace.failed f where f.source = $1", [
      "turn:7",
    ]);
    expect(plan).toMatchObject({ indexes: ["failed_source"], readsWhole: [], comparesAll: [] });
  });
});

describe("claim", () => {
  it.each([["empty", (): void => undefined] as const, ["full", fill] as const])(
    "goes to the place behind which it begins by the index, whatever it looks for, in a queue that is %s",
    async (_, prepare) => {
      await prepare();
      const { indexes, conditions } = await planOf("claim");
      const scans = indexes.filter((index) => index === "pending_claim");
      // As a filter it would step over all that stands before, dead rows included.
      const behind = conditions.filter(
        (text) => text.startsWith("pending_claim: ") && text.includes("(ROW(priority, id) > ROW($9, $10))"),
      );
      expect(scans).not.toEqual([]);
      expect(behind).toHaveLength(scans.length);
    },
  );

  it("is never so expensive by estimate that Postgres compiles it", async () => {
    await fill();
    const { cost } = await planOf("claim");
    const { rows } = await database.pool.query<{ above: number }>(
      "select current_setting('jit_above_cost')::float8 as above",
    );
    expect(cost).toBeLessThan(rows[0]?.above ?? 0);
  });
});

describe("promote", () => {
  it.each([["empty", (): void => undefined] as const, ["full", fill] as const])(
    "looks for work from the end of a queue that is %s, for dead rows gather at its begin",
    async (_, prepare) => {
      await prepare();
      expect((await planOf("promote")).backward).toEqual(["pending_claim"]);
    },
  );
});

interface Plan {
  /** Every index that the plan uses. */
  readonly indexes: readonly string[];
  /** What each scan of an index looks for there: `index: condition`. */
  readonly conditions: readonly string[];
  /** The indexes that it reads from their end. */
  readonly backward: readonly string[];
  /** Every table of jobs or workers that it reads from end to end. */
  readonly readsWhole: readonly string[];
  /** How often it gathers all entries of an index of `pending` before it takes the first. */
  readonly bitmapsOfPending: number;
  /** What it would do once for each pair of rows, or for each entry of an index. */
  readonly comparesAll: readonly string[];
  /** Every table of jobs whose rows it sorts as it reads them. */
  readonly sortsTables: readonly string[];
  readonly cost: number;
}

interface Node {
  readonly "Node Type": string;
  readonly "Parent Relationship"?: string;
  readonly "Index Name"?: string;
  readonly "Relation Name"?: string;
  readonly "Index Cond"?: string;
  readonly "Scan Direction"?: string;
  readonly "Join Filter"?: string;
  readonly "Total Cost": number;
  readonly Plans?: readonly Node[];
}

/** A statement uses these indexes, and neither reads, gathers nor compares a whole table. Answers with its plan. */
async function expectByIndexes(name: keyof Statements, indexes: readonly string[]): Promise<Plan> {
  const plan = await planOf(name);
  expect([name, ...plan.indexes]).toEqual(expect.arrayContaining([name, ...indexes]));
  expect([name, ...plan.readsWhole]).toEqual([name]);
  expect([name, plan.bitmapsOfPending]).toEqual([name, 0]);
  expect([name, ...plan.comparesAll]).toEqual([name]);
  return plan;
}

/** LEFT, which looks into all tables of jobs, goes to these by their primary keys. The others may be empty. */
async function expectLeftByIds(tables: readonly string[]): Promise<void> {
  const { indexes, readsWhole, comparesAll, sortsTables } = await planOf("left");
  expect(indexes).toEqual(expect.arrayContaining(tables.map((table) => `${table}_pkey`)));
  expect(tables.filter((table) => readsWhole.includes(table))).toEqual([]);
  expect([...comparesAll, ...sortsTables]).toEqual([]);
}

/** The plan that a prepared statement of the library keeps, whatever its values. */
function planOf(name: keyof Statements): Promise<Plan> {
  const settings = OTHERS.some(([other]) => other === name) ? "" : "set enable_bitmapscan = off";
  return planOfText(sql[name].text, VALUES[name] ?? [], { ordered: ORDERED.has(name), settings });
}

/**
 * The same for any statement. `ordered` says that it takes the first rows of an index; `settings` are those
 * that the library gives the connection, besides that it plans once.
 */
async function planOfText(
  text: string,
  parameters: readonly string[],
  { ordered = false, settings = "" } = {},
): Promise<Plan> {
  const client = await database.pool.connect();
  try {
    await client.query(`set plan_cache_mode = force_generic_plan; ${settings}`);
    await client.query(`prepare planned as ${text}`);
    const given = parameters.map((value) => `'${value}'`).join(", ");
    const { rows } = await client.query<{ "QUERY PLAN": readonly { readonly Plan: Node }[] }>(
      `explain (format json) execute planned (${given})`,
    );
    const root = rows[0]?.["QUERY PLAN"][0]?.Plan;
    if (root === undefined) throw new Error("Expected a plan");
    const nodes = allNodes(root);
    return {
      indexes: nodes.flatMap((node) => node["Index Name"] ?? []),
      conditions: nodes.flatMap((node) =>
        node["Index Cond"] === undefined ? [] : [`${node["Index Name"]}: ${node["Index Cond"]}`],
      ),
      backward: nodes.flatMap((node) =>
        node["Scan Direction"] === "Backward" ? (node["Index Name"] ?? []) : [],
      ),
      readsWhole: nodes
        .filter((node) => node["Node Type"] === "Seq Scan")
        .flatMap((node) => node["Relation Name"] ?? [])
        // It has one row.
        .filter((table) => table !== "completed_log"),
      bitmapsOfPending: nodes.filter(
        (node) => node["Node Type"] === "Bitmap Index Scan" && node["Index Name"] === "pending_claim",
      ).length,
      comparesAll: nodes.flatMap((node) => [
        ...(node["Join Filter"] === undefined ? [] : [node["Join Filter"]]),
        ...(node["Node Type"].startsWith("Index") && node["Index Cond"] === undefined && !ordered
          ? [`all of ${node["Index Name"]}`]
          : []),
      ]),
      sortsTables: nodes
        .filter((node) => node["Node Type"].endsWith("Sort"))
        .flatMap((node) => allNodes(node, isPartOfIt).flatMap((below) => below["Relation Name"] ?? [])),
      cost: root["Total Cost"],
    };
  } finally {
    client.release(true);
  }
}

/** The tables that a call reads from end to end, those in functions included, whose plans are not shown. */
async function readWholeBy(call: (client: pg.PoolClient) => Promise<unknown>): Promise<readonly string[]> {
  const client = await database.client();
  await client.query("begin");
  await call(client);
  const { rows } = await client.query<{ table: string }>(
    `select relname as table from pg_stat_xact_user_tables where schemaname = 'millrace' and seq_tup_read > 0`,
  );
  await client.query("rollback");
  return rows.map(({ table }) => table);
}

/** A node and all below it, or those of them that are `followed`. */
function allNodes(node: Node, followed: (node: Node) => boolean = () => true): readonly Node[] {
  return [node, ...(node.Plans ?? []).filter(followed).flatMap((below) => allNodes(below, followed))];
}

/** Rows flow through it to the node above: it is no part that is reckoned by itself, such as a CTE. */
function isPartOfIt(node: Node): boolean {
  return node["Parent Relationship"] === "Outer" || node["Parent Relationship"] === "Inner";
}

/** Puts a million rows into `pending` and into `scheduled`, and 10,000 into `claimed`. */
async function fillMillion(): Promise<void> {
  const on = await openBench(database);
  await on.add();
  await on.add({ delayMs: 1_000_000 });
  for (const [table, count] of [
    ["pending", 1_000_000],
    ["scheduled", 1_000_000],
  ] as const) {
    await database.pool.query(
      `insert into millrace.${table} (${INTO})
       select ${values("t", { id: "nextval('millrace.job_ids')", priority: "n % 3", queue: "'queue ' || n % 2" })}
         from millrace.${table} t cross join generate_series(1, ${count}) n`,
    );
  }
  await database.pool.query(
    "update millrace.pending set queue = 'default' where queue = 'queue 0' and id % 50 = 0",
  );
  await on.claim(await on.worker(), { limit: 10_000 });
  await Promise.all(Array.from({ length: 300 }, () => on.worker()));
  await database.pool.query("analyze");
}

/** Puts 12,000 rows into every table of jobs, and many workers. */
async function fill(): Promise<void> {
  const on = await openBench(database);
  const some = (job: Parameters<typeof newJob>[0]): Promise<unknown> =>
    on.addAll(Array.from({ length: ROWS }, () => newJob(job)));
  await some({ kind: "sift" });
  const worker = await on.worker();
  const jobs = await on.claim(worker, { kinds: ["sift"], limit: 10_000 });
  await on.settle(worker, jobs.slice(0, 9_900), FAILED);
  await some({ kind: "keep", keepResultMs: 60_000 });
  await on.settle(worker, await on.claim(worker, { kinds: ["keep"], limit: 10_000 }), kept(1));
  await some({});
  await some({ queue: "other" });
  await some({ delayMs: 1_000_000 });
  await on.claim(worker, { limit: 10_000 });
  await Promise.all(Array.from({ length: 300 }, () => on.worker()));
  await database.pool.query(
    "update millrace.failed set kind = kind || id % 20, source = 'turn:' || id % 1000",
  );
  await database.pool.query("analyze");
}
