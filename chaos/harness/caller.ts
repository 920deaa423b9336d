import pg from "pg";
import { createClient } from "../../src/index.ts";
import type { ChaosDatabase } from "./database.ts";
import type { Figures } from "./figures.ts";
import { marked } from "./marked-lines.ts";
import { nowMs, sleep } from "./wait.ts";
import { jobs } from "./work.ts";

/** An app that enqueues through a pool of its own, which has no limits. */
export interface Caller extends AsyncDisposable {
  /** Begins so many enqueues at once. Resolves to how long they took, whatever their answers. */
  readonly enqueueAtOnce: (count: number, patienceMs: number) => Promise<CallTimes>;
}

/** How long calls took that began at once, in milliseconds. */
export interface CallTimes extends Figures {
  /** That which had its answer first: the others are written when the write before theirs is done. */
  readonly firstCallMs: number;
  readonly slowestCallMs: number;
}

/** Connections of its pool. */
const CONNECTIONS = 3;

/** Connects each of its connections. Enqueues that come to an answer are in the ledger. */
export async function openCaller({ ledger }: ChaosDatabase, connectionString: string): Promise<Caller> {
  const pool = new pg.Pool({ connectionString, max: CONNECTIONS, application_name: "the app" });
  pool.on("error", () => undefined);
  pool.on("connect", (connection) => connection.on("error", () => undefined));
  const client = createClient({ pool, jobs, logger: false });
  const work = marked({ deed: "transaction" });
  const enqueue = async (after: readonly string[]): Promise<string> => {
    const id = await client.enqueue("work", work, { maxAttempts: 100, after });
    ledger.enqueued(id, "transaction");
    return id;
  };
  const first = await Promise.all(Array.from({ length: CONNECTIONS }, () => enqueue([])));
  return {
    enqueueAtOnce: async (count, patienceMs) => {
      const from = nowMs();
      const took = async (n: number): Promise<number> => {
        // Some in one statement, some in a transaction of several.
        await enqueue(n % 2 === 0 ? [] : first).catch(() => undefined);
        return nowMs() - from;
      };
      const all = Promise.all(Array.from({ length: count }, (_, n) => took(n)));
      const times = await Promise.race([all, sleep(patienceMs, [Infinity], { ref: false })]);
      return { firstCallMs: Math.min(...times), slowestCallMs: Math.max(...times) };
    },
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await pool.end();
    },
  };
}
