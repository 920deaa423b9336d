import type pg from "pg";

/**
 * Borrows a connection for several statements in a row. It goes back to the pool when `work` is
 * done and is thrown away when that fails, for it may be in the middle of a transaction.
 *
 * A borrowed connection that dies reports to itself, and ends the process when nobody listens.
 */
export async function withClient<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  client.on("error", ignore);
  try {
    const answer = await work(client);
    client.off("error", ignore);
    client.release();
    return answer;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

function ignore(): void {
  // The query that is under way, or the next one, reports it.
}
