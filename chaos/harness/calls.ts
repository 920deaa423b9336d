import type pg from "pg";
import type { Client } from "../../src/index.ts";
import type { ChaosDatabase } from "./database.ts";
import { marked } from "./marked-lines.ts";
import type { Deed, Work, jobs } from "./work.ts";

/** What is called. */
export interface CallPlan {
  readonly client: Client<typeof jobs>;
  /** What the jobs do. */
  readonly deed: Deed;
  /** The key of one of them. */
  readonly key: string;
}

/**
 * Begins every sort of call that writes jobs or changes them, all at once. What they leave is to run,
 * and is in the ledger.
 */
export function callAtOnce(
  { pool, ledger }: ChaosDatabase,
  { client, deed, key }: CallPlan,
): readonly Promise<unknown>[] {
  const work = marked({ deed });
  const enqueued = (id: string): void => ledger.enqueued(id, deed);
  const cancelled = async (): Promise<string> => {
    const id = await client.enqueue("work", work, { delayMs: 3_600_000 });
    await client.cancel(id);
    return id;
  };
  return [
    client.enqueue("work", work).then(enqueued),
    client
      .enqueueOnce("work", work, { key })
      .then(({ id, inserted }) => (inserted ? enqueued(id) : undefined)),
    cancelled().then(async (id) => client.deleteFailed(id)),
    cancelled().then(async (id) => ((await client.retryJob(id)) ? enqueued(id) : undefined)),
    family(client, work).then((ids) => ids.forEach(enqueued)),
    inTransaction(pool, async (tx) => client.enqueue("work", work, { tx })).then(enqueued),
    inSql(pool, work).then(enqueued),
  ];
}

async function family(client: Client<typeof jobs>, work: Work): Promise<readonly string[]> {
  const parent = await client.enqueue("work", work);
  return [parent, await client.enqueue("work", work, { after: [parent] })];
}

async function inSql(pool: pg.Pool, work: Work): Promise<string> {
  const { rows } = await pool.query<{ id: string }>("select millrace.enqueue('work', $1) as id", [
    JSON.stringify(work),
  ]);
  return rows[0]?.id ?? "none";
}

async function inTransaction<T>(pool: pg.Pool, work: (tx: pg.PoolClient) => Promise<T>): Promise<T> {
  const tx = await pool.connect();
  try {
    await tx.query("begin");
    const answer = await work(tx);
    await tx.query("commit");
    tx.release();
    return answer;
  } catch (error) {
    tx.release(true);
    throw error;
  }
}
