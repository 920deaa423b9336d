import { onTestFinished } from "vitest";
import { runPgbouncer } from "./pgbouncer-process.ts";

export { pgbouncer } from "./pgbouncer-process.ts";

/** Starts PgBouncer in transaction mode before a server, and answers with its address. Ends with the test. */
export async function startPgbouncer(connectionString: string, poolSize = 4): Promise<string> {
  const pooler = await runPgbouncer(connectionString, poolSize);
  onTestFinished(() => pooler[Symbol.asyncDispose]());
  return pooler.connectionString;
}
