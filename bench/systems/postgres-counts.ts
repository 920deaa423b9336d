import pg from "pg";
import type { Left } from "./system.ts";

/** Counts in a system's database, through a connection that the system does not use. */
export interface PostgresCounts {
  readonly left: () => Promise<Left>;
  readonly commands: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** `leftFrom` is where the jobs that did not succeed yet are found, `payload` what they carry there. */
export function postgresCounts(
  connectionString: string,
  { payload, leftFrom }: { readonly payload: string; readonly leftFrom: string },
): PostgresCounts {
  const pool = new pg.Pool({ connectionString, max: 1, allowExitOnIdle: true });
  const numbers = async (text: string): Promise<readonly number[]> => {
    const { rows } = await pool.query<unknown[]>({ text, rowMode: "array" });
    return rows.flat().map(Number);
  };
  return {
    left: async () => {
      const [count = 0, sum = 0] = await numbers(
        `select count(*), coalesce(sum((${payload} ->> 'n')::int8), 0) from ${leftFrom}`,
      );
      return { count, sum };
    },
    commands: async () => Number((await numbers(COMMANDS))[0]),
    close: () => pool.end(),
  };
}

const COMMANDS =
  "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()";
