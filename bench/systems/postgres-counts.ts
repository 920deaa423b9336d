import pg from "pg";
import type { Left } from "./system.ts";

/** Counts in a system's database, through a connection that the system does not use. */
export interface PostgresCounts {
  readonly left: () => Promise<Left>;
  readonly close: () => Promise<void>;
}

/** `leftFrom` is where the jobs that did not succeed yet are found, `payload` what they carry there. */
export function postgresCounts(
  connectionString: string,
  { payload, leftFrom }: { readonly payload: string; readonly leftFrom: string },
): PostgresCounts {
  const pool = new pg.Pool({ connectionString, max: 1, allowExitOnIdle: true });
  return {
    left: async () => {
      const { rows } = await pool.query<Record<"count" | "sum", string>>(
        `select count(*), coalesce(sum((${payload} ->> 'n')::int8), 0) as sum from ${leftFrom}`,
      );
      return { count: Number(rows[0]?.count), sum: Number(rows[0]?.sum) };
    },
    close: () => pool.end(),
  };
}
