import pg from "pg";

/** Counts in a system's database, through a connection that the system does not use. */
export interface PostgresCounts {
  readonly left: () => Promise<number>;
  readonly commands: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** `leftSql` counts the jobs that did not succeed yet, as `n`. */
export function postgresCounts(connectionString: string, leftSql: string): PostgresCounts {
  const pool = new pg.Pool({ connectionString, max: 1, allowExitOnIdle: true });
  const count = async (text: string): Promise<number> => {
    const { rows } = await pool.query<{ n: string }>(text);
    return Number(rows[0]?.n);
  };
  return {
    left: () => count(leftSql),
    commands: () =>
      count(
        "select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()",
      ),
    close: () => pool.end(),
  };
}
