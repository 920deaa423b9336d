/**
 * An operator of your own round every attempt: a short trouble is tried again within the attempt, so
 * that it costs none.
 *
 * ```text
 * call 1 of attempt 1: the line is busy
 * call 2 of attempt 1: the line is busy
 * call 3 of attempt 1: hello
 * done after attempt 1
 * ```
 */
import { filter, firstValueFrom, retry, timer } from "rxjs";
import { PermanentError, createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_retry_within",
  jobs: { call: payload<{ number: string }>() },
  logger: false,
});
await client.migrate();

let calls = 0;
const worker = await client.spawnWorker({
  // `retry` calls the handler again; it waits 50 ms, and gives up what can never succeed.
  stages: {
    attempt: (value$, job) =>
      value$.pipe(
        retry({
          count: 2,
          delay: (error: Error) => {
            if (error instanceof PermanentError) throw error;
            console.log(`call ${calls} of attempt ${job.attempt}: ${error.message}`);
            return timer(50);
          },
        }),
      ),
  },
  handlers: {
    call: async ({ attempt }) => {
      calls += 1;
      if (calls < 3) throw new Error("the line is busy");
      console.log(`call ${calls} of attempt ${attempt}: hello`);
    },
  },
});
const succeeded = firstValueFrom(worker.event$.pipe(filter((event) => event.type === "succeeded")));
await client.enqueue("call", { number: "42" });
console.log(`done after attempt ${(await succeeded).job.attempt}`);
