/**
 * What `client.events()` could not hear it tells as a gap: then the tables say where things stand.
 *
 * ```text
 * listening
 * deaf
 * gap: something is missing here, and 3 jobs have failed by now
 * listening
 * ```
 */
import { concatMap, filter, firstValueFrom, lastValueFrom, take } from "rxjs";
import pg from "pg";
import { PermanentError, createClient, payload } from "../src/index.ts";
import type { ClusterEvent } from "../src/index.ts";
import { openServer } from "./open-server.ts";

await using server = await openServer();
const { connectionString } = server;
const jobs = { mill: payload<null>() };
const options = { connectionString, schema: "example_gaps", jobs, logger: false } as const;
await using mill = createClient(options);
await using board = createClient(options);
await mill.migrate();
await mill.spawnWorker({
  listen: false,
  handlers: { mill: () => Promise.reject(new PermanentError("no rye")) },
});

/** Breaks the connection that the events come over, as a network does. */
async function breakConnection(): Promise<void> {
  const db = new pg.Client({ connectionString });
  await db.connect();
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'millrace events' and query like '%example_gaps%'`,
  );
  await db.end();
}

async function tell({ type }: ClusterEvent, index: number): Promise<void> {
  if (type !== "gap") console.log(type);
  if (index === 0) await breakConnection();
  if (type === "deaf") for (let n = 0; n < 3; n += 1) await mill.enqueue("mill", null);
  if (type !== "gap") return;
  const failed = await firstValueFrom(mill.failed().pipe(filter(({ length }) => length === 3)));
  console.log(`gap: something is missing here, and ${failed.length} jobs have failed by now`);
}

const states$ = board
  .events({ types: ["failed"] })
  .pipe(filter(({ type }) => type === "listening" || type === "deaf" || type === "gap"));
await lastValueFrom(states$.pipe(take(4), concatMap(tell)));
