import type pg from "pg";
import { firstValueFrom, from, throwError, timeout } from "rxjs";

/**
 * Borrows a connection for several statements in a row. It goes back to the pool when `work` is
 * done and is thrown away when that fails, for it may be in the middle of a transaction.
 *
 * A borrowed connection that dies reports to itself, and ends the process when nobody listens.
 *
 * @throws Error, a transient one, when the pool gave none within `waitMs`. Default: what the pool
 * itself allows, which is for ever where it has no `connectionTimeoutMillis`.
 */
export async function withClient<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  waitMs?: number,
): Promise<T> {
  const client = await (waitMs === undefined ? pool.connect() : connectWithin(pool, waitMs));
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

/** A connection that comes too late goes back to the pool. */
function connectWithin(pool: pg.Pool, waitMs: number): Promise<pg.PoolClient> {
  const connecting = pool.connect();
  const giveUp = (): Error => {
    connecting.then((client) => client.release(), ignore);
    return new Error(
      `Got no connection of the pool within ${waitMs} ms: all are in use, or Postgres is silent`,
    );
  };
  return firstValueFrom(from(connecting).pipe(timeout({ first: waitMs, with: () => throwError(giveUp) })));
}

function ignore(): void {
  // The query that is under way, or the next one, reports it.
}
