import { startEmbeddedPostgres } from "../src/embedded/index.ts";

/** A Postgres server to try things on. */
export interface Server extends AsyncDisposable {
  readonly connectionString: string;
}

/** Takes the server of `DATABASE_URL`, or starts one of this process' own, which ends with it. */
export async function openServer(): Promise<Server> {
  const connectionString = process.env["DATABASE_URL"] ?? "";
  if (connectionString === "") return startEmbeddedPostgres();
  return { connectionString, [Symbol.asyncDispose]: () => Promise.resolve() };
}
