/**
 * A process that owns an embedded Postgres, for tests of how the server ends with it.
 *
 * Run as `node --import tsx embedded-owner.ts JSON`; writes one line of JSON about its server, then
 * ends as told.
 */
import { startEmbeddedPostgres } from "../../src/embedded/index.ts";
import type { EmbeddedPostgresOptions } from "../../src/embedded/index.ts";

/** How the owner ends once its server is up. `wait` is for those that are killed. */
export type OwnerEnding = "wait" | "stop" | "run-dry" | "exit" | "throw";

/** What the owner is told on its command line. */
export interface OwnerOrder {
  readonly options: EmbeddedPostgresOptions;
  readonly ending: OwnerEnding;
}

async function main(order: OwnerOrder): Promise<void> {
  const server = await startEmbeddedPostgres(order.options);
  const { connectionString, port, dataDir } = server;
  process.stdout.write(`${JSON.stringify({ connectionString, port, dataDir })}\n`);
  switch (order.ending) {
    case "wait":
      process.stdin.resume();
      return;
    case "stop":
      return server.stop();
    case "run-dry":
      return;
    case "exit":
      return process.exit(7);
    case "throw":
      // Outside the promise, so that it is an uncaught exception.
      setImmediate(() => {
        throw new Error("thrown by the owner");
      });
  }
}

await main(JSON.parse(process.argv[2] ?? "") as OwnerOrder);
