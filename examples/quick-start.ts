/**
 * A first worker: one kind of job, one handler, one job.
 *
 * ```text
 * Hello, Ada!
 * done after attempt 1
 * drained
 * ```
 */
import { filter, firstValueFrom } from "rxjs";
import { createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_quick_start",
  jobs: { greet: payload<{ name: string }>() },
  logger: false,
});
await client.migrate();

const worker = await client.spawnWorker({
  handlers: {
    greet: (job) => console.log(`Hello, ${job.payload.name}!`),
  },
});
const succeeded = firstValueFrom(worker.event$.pipe(filter((event) => event.type === "succeeded")));
await client.enqueue("greet", { name: "Ada" });
const { job } = await succeeded;
console.log(`done after attempt ${job.attempt}`);

const { outcome } = await worker.shutdown();
console.log(outcome);
