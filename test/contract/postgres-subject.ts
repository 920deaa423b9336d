import type { JobState } from "../../src/core/job.ts";
import { statements } from "../../src/postgres/statements.ts";
import { completeIn } from "../../src/postgres/transaction.ts";
import { openPool } from "../../src/postgres/database.ts";
import { postgresStore } from "../../src/postgres/store.ts";
import type { OpenStore, TestDatabase } from "../support/postgres.ts";
import type { Setup } from "./bench.ts";

const TABLES = "pending scheduled waiting claimed failed completed dependencies keys workers".split(" ");

/** The Postgres store as a subject of the contract. Time passes by moving rows back. */
export function postgresSetup({ pool, store: open }: Pick<TestDatabase, "pool" | "store">): Setup {
  const sql = statements("millrace");
  return async ({ firstId = "1" }) => {
    await pool.query(TABLES.map((table) => `delete from millrace.${table};`).join("\n"));
    await pool.query(`alter sequence millrace.job_ids restart with ${firstId}`);
    const store = open();
    return {
      store,
      states: async () => {
        const { rows } = await pool.query<{ id: string; state: JobState }>({
          name: "states",
          text: "select id::text, state from millrace.jobs order by id",
        });
        const states = new Map(rows.map(({ id, state }) => [id, state]));
        if (states.size < rows.length) throw new Error("A job is in two states");
        return states;
      },
      expireLease: async (workerId) => {
        await pool.query("update millrace.workers set lease_expires_at = clock_timestamp() where id = $1", [
          workerId,
        ]);
      },
      elapse: async (ms) => {
        for (const table of ["scheduled", "waiting"]) {
          await pool.query(
            `update millrace.${table} set run_at = run_at - make_interval(secs => $1::float8 / 1000)`,
            [ms],
          );
        }
        await pool.query(
          "update millrace.failed set failed_at = failed_at - make_interval(secs => $1::float8 / 1000)",
          [ms],
        );
        await pool.query(
          "update millrace.completed set expires_at = expires_at - make_interval(secs => $1::float8 / 1000)",
          [ms],
        );
      },
      completeInTransaction: async (workerId, claim, kept) => {
        const client = await pool.connect();
        try {
          await client.query("begin");
          const completed = await completeIn(client, sql, { workerId, claim, kept });
          await client.query(completed ? "commit" : "rollback");
          return completed;
        } finally {
          client.release();
        }
      },
      close: store.close,
    };
  };
}

/** A store with a pool of its own, for those who have no `TestDatabase`. */
export function openStore(connectionString: string): OpenStore {
  const { run, close } = openPool({ connectionString }, { max: 3, applicationName: "millrace agreement" });
  return { ...postgresStore({ schema: "millrace", claims: run, settles: run, leases: run }), close };
}
