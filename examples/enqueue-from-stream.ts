/**
 * Jobs from a source that is longer than memory: it is read no faster than Postgres writes, and
 * when something is wrong, it is told what is written and what is not.
 *
 * ```text
 * 5000 of 5000 rows, never more than 1000 in hand
 * 3 of 3 clicks
 * The value at index 2 was refused: The payload of a "bill" job cannot be kept as JSON: payload.cents is NaN (number)
 * 2 are enqueued, left are rows 3, 4, 5
 * 2 more without that row
 * ```
 */
import { count, from, lastValueFrom } from "rxjs";
import { EnqueueError, createClient, payload } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
await using client = createClient({
  connectionString: server.connectionString,
  schema: "example_enqueue",
  jobs: { bill: payload<{ cents: number }>() },
  logger: false,
});
await client.migrate();

type Row = { readonly line: number; readonly amount: string };
const enqueueRows = client.enqueueEach("bill", {
  max: 500,
  map: (row: Row) => ({ cents: Number(row.amount) * 100 }),
  options: (row) => ({ source: `row ${row.line}` }),
});

// Pulled: a cursor, the lines of a file, a ReadableStream, any iterable.
let written = 0;
let most = 0;
async function* rows(): AsyncGenerator<Row> {
  for (let line = 1; line <= 5_000; line += 1) {
    most = Math.max(most, line - written);
    yield { line, amount: "9" };
  }
}
await enqueueRows(rows()).forEach(() => (written += 1));
console.log(`${written} of 5000 rows, never more than ${most} in hand`);

// Pushed: nothing holds an Observable back, so what it is ahead waits in memory.
const click$ = from([1, 2, 3]);
const id$ = click$.pipe(client.enqueueEach("bill", { map: (n) => ({ cents: n }) }));
console.log(`${await lastValueFrom(id$.pipe(count()))} of 3 clicks`);

const bad = ["1", "2", "three", "4", "5"].map((amount, index) => ({ line: index + 1, amount }));
await lastValueFrom(enqueueRows(bad)).catch(async (error: unknown) => {
  if (!(error instanceof EnqueueError)) throw error;
  const left = error.unwritten as readonly Row[];
  console.log(error.message);
  console.log(`${error.written} are enqueued, left are rows ${left.map(({ line }) => line).join(", ")}`);
  console.log(`${await lastValueFrom(enqueueRows(left.slice(1)).pipe(count()))} more without that row`);
});
