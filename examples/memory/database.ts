import pg from "pg";
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";

/** A server to work on. Disposing of it closes the connections, and stops it if it was started here. */
export interface Database extends AsyncDisposable {
  readonly connectionString: string;
  /** Connections for the transactions of handlers. */
  readonly pool: pg.Pool;
}

/** Connects to the server of `DATABASE_URL`, or starts one that ends with this process. */
export async function openDatabase({ connections }: { readonly connections: number }): Promise<Database> {
  const url = process.env["DATABASE_URL"] ?? "";
  const server = url === "" ? await startEmbeddedPostgres() : undefined;
  const connectionString = server?.connectionString ?? url;
  const pool = openPool(connectionString, connections);
  return {
    connectionString,
    pool,
    [Symbol.asyncDispose]: async () => {
      await pool.end();
      await server?.stop();
    },
  };
}

function openPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max });
  // When a connection breaks, the statement that runs on it rejects, and its attempt fails with it.
  // Without a listener the event of the same news would end the process.
  pool.on("error", () => {});
  pool.on("connect", (connection) => connection.on("error", () => {}));
  return pool;
}
