/**
 * A process of `postgres-events-process.test.ts`: subscribes, tells its parent what it hears, holds
 * its thread for so many milliseconds at the message of a number, and unsubscribes at any other. It
 * has then nothing left to stay up for, though it closes nothing.
 */
import pg from "pg";
import { clusterEvents } from "../../src/events/postgres-events.ts";
import { runIn } from "../../src/postgres/database.ts";
import { idleSince } from "../../src/idle-since.ts";
import { createTurns } from "../../src/rx/turns.ts";

const connectionString = process.argv[2] ?? "";
const pool = new pg.Pool({
  connectionString,
  max: 1,
  application_name: "millrace calls",
  allowExitOnIdle: true,
});
const events = clusterEvents({
  config: { connectionString },
  schema: "millrace",
  run: runIn(pool),
  report: () => undefined,
  turns: createTurns(idleSince),
});

const subscription = events.event$().subscribe((event) => process.send?.(event));

process.on("message", (order) => {
  if (typeof order === "number") {
    const from = performance.now();
    while (performance.now() - from < order);
    return;
  }
  subscription.unsubscribe();
  process.disconnect();
});
