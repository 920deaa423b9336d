/**
 * A batch handler: the work of many jobs in one call, an outcome for each of them.
 *
 * ```text
 * one call for 3 texts
 * text 1: succeeded
 * text 2: failed: nothing to embed
 * text 3: succeeded
 * ```
 */
import { filter, lastValueFrom, take, toArray } from "rxjs";
import { PermanentError, batchHandler, createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_batch",
  jobs: { embed: payload<{ text: string }>() },
  logger: false,
});
await client.migrate();
const ids = await client.enqueueMany(
  ["flour", "", "bread"].map((text) => ({ kind: "embed" as const, payload: { text } })),
);

/** Stands for a model that takes many texts at once. */
const embed = (texts: readonly string[]) =>
  Promise.resolve(texts.map((text) => (text === "" ? undefined : [text.length])));

const worker = await client.spawnWorker({
  handlers: {
    embed: batchHandler({ max: 50, maxWaitMs: 200 }, async (jobs) => {
      console.log(`one call for ${jobs.length} texts`);
      const vectors = await embed(jobs.map((job) => job.payload.text));
      return vectors.map((vector) => vector ?? new PermanentError("nothing to embed"));
    }),
  },
});
const ends = await lastValueFrom(
  worker.event$.pipe(
    filter((event) => event.type === "succeeded" || event.type === "failed"),
    take(3),
    toArray(),
  ),
);
for (const event of ends.toSorted((a, b) => ids.indexOf(a.job.id) - ids.indexOf(b.job.id))) {
  const how = event.type === "failed" ? `failed: ${event.error.message}` : event.type;
  console.log(`text ${ids.indexOf(event.job.id) + 1}: ${how}`);
}
for (const { id } of await client.listFailed()) await client.deleteFailed(id);
await worker.shutdown();
