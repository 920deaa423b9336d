/**
 * A job that runs after others and reads their results: their ids are in its payload. One that waits
 * for a job that failed is found in `depth()`.
 *
 * ```text
 * the sum is 42
 * 1 failed: PermanentError: no such field
 * 1 waiting for it
 * the sum of what is left is 5
 * ```
 */
import { filter, firstValueFrom, map } from "rxjs";
import { PermanentError, createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_after",
  jobs: { weigh: payload<{ field: number }>(), sum: payload<{ parts: readonly string[] }>() },
  logger: false,
});
await client.migrate();

await using _worker = await client.spawnWorker({
  handlers: {
    weigh: async ({ payload: { field } }) => {
      if (field < 0) throw new PermanentError("no such field");
      return field;
    },
    sum: async ({ payload: { parts } }) => {
      // Worth nothing: a job that was deleted, or a result that has expired.
      const weights = await Promise.all(parts.map((id) => client.result(id).catch(() => 0)));
      return weights.map(Number).reduce((a, b) => a + b);
    },
  },
});

/** Enqueues a `weigh` for each field, then the `sum` of them; answers with the ids. */
async function harvest(...fields: readonly number[]) {
  // Longer than the sum can have to wait: a result that has expired is gone.
  const parts = await client.enqueueMany(
    fields.map((field) => ({ kind: "weigh", payload: { field }, keepResultMs: 3_600_000 })),
  );
  const sum = await client.enqueue("sum", { parts }, { after: parts, keepResultMs: 60_000 });
  return { parts, sum };
}

console.log(`the sum is ${String(await client.result((await harvest(20, 22)).sum))}`);

const { parts, sum } = await harvest(5, -1);
const [failed] = await firstValueFrom(client.failed().pipe(filter(({ length }) => length > 0)));
console.log(`1 failed: ${failed?.reason}`);
const waiting$ = client.depth().pipe(map((depth) => depth.find(({ state }) => state === "waiting")?.count));
console.log(`${await firstValueFrom(waiting$)} waiting for it`);
// The sum waits until that job is retried or deleted.
await client.deleteFailed(String(parts[1]));
console.log(`the sum of what is left is ${String(await client.result(sum))}`);
