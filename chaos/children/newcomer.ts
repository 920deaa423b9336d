/**
 * A process that, for each line with a connection string on stdin, migrates that database, starts a
 * worker there and stops it. Run, compiled, as `node newcomer.js JSON`.
 */
import { createInterface } from "node:readline";
import { createClient } from "../../src/index.ts";
import { jobs } from "../harness/work.ts";

/** A line that it is told. */
export interface NewcomerTask {
  readonly round: number;
  readonly connectionString: string;
}

/** What it says. */
export type NewcomerSaid =
  | { readonly said: "here" }
  | {
      readonly said: "round";
      readonly round: number;
      /** The versions before and after its migration, where that did not fail. */
      readonly from?: number;
      readonly to?: number;
      /** Whether its worker started, ran a job and stopped. */
      readonly started: boolean;
      /** What went wrong. */
      readonly error?: string;
    };

function say(said: NewcomerSaid): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

async function takePart({ round, connectionString }: NewcomerTask): Promise<void> {
  await using client = createClient({ connectionString, jobs, logger: false });
  const { from, to } = await client.migrate();
  const worker = await client.spawnWorker({ handlers: { work: () => undefined } });
  const id = await client.enqueue("work", { deed: "return" }, { keepResultMs: 600_000 });
  await client.result(id, { timeoutMs: 30_000 });
  const { outcome } = await worker.shutdown();
  say({ said: "round", round, from, to, started: outcome === "drained" });
}

say({ said: "here" });
for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line) as NewcomerTask;
  await takePart(task).catch((error: unknown) => {
    say({ said: "round", round: task.round, started: false, error: String(error) });
  });
}
