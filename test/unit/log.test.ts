import { delay, from, lastValueFrom, mergeMap, of } from "rxjs";
import { describe, expect, it } from "vitest";
import type { WorkerEvent } from "../../src/index.ts";
import { logEvents } from "../../src/log.ts";
import { anEvent } from "../../src/testing/index.ts";
import { TestScheduler } from "rxjs/testing";
import { memoryLog } from "../support/client.ts";

describe("logEvents", () => {
  it("warns of an old snapshot, with the process that holds it, and says when it is gone", async () => {
    const log = memoryLog("info");
    const event$ = from([
      anEvent("degraded", { pid: 7, ageMs: 61_000, holder: "psql" }),
      anEvent("restored"),
    ]);
    await lastValueFrom(event$.pipe(logEvents(log.logger, "w1")));
    expect(log.lines()).toEqual([
      expect.objectContaining({
        level: 40,
        worker: "w1",
        event: "degraded",
        cause: "old-snapshot",
        pid: process.pid,
        backendPid: 7,
        ageMs: 61_000,
        holder: "psql",
      }),
      expect.objectContaining({ level: 30, worker: "w1", event: "restored", cause: "old-snapshot" }),
    ]);
  });

  it("says once that Postgres cannot be reached, whatever fails first, and once that it is back", () => {
    const unreached = { error: { name: "Error", message: "connect ECONNREFUSED 127.0.0.1:5432" } };
    expect(
      linesOf([
        [0, anEvent("publish-failed", unreached)],
        [0, anEvent("claim-failed", unreached)],
        [1, anEvent("heartbeat-failed", unreached)],
        [2, anEvent("dispatch-failed", unreached)],
        [59_000, anEvent("poll-failed", unreached)],
        [60_000, anEvent("poll-failed", unreached)],
        [61_000, anEvent("listen-restored")],
        [61_000, anEvent("claimed")],
      ]),
    ).toEqual([
      [20, "publishing events failed, trying again"],
      [40, `Postgres cannot be reached: claiming failed, trying again${FURTHER}`],
      [20, "renewing the lease failed, trying again"],
      [50, `the app's dispatch failed${FURTHER}`],
      [20, "polling failed, trying again"],
      [40, `Postgres cannot be reached: polling failed, trying again${FURTHER}`],
      [30, "Postgres answers again: LISTEN established"],
      [20, "claimed jobs"],
    ]);
  });

  it("lets a failure of events alone hide no other, and raises what shows that Postgres is back", () => {
    const terminated = { error: { name: "Error", message: "Connection terminated unexpectedly" } };
    expect(
      linesOf([
        [0, anEvent("publish-failed")],
        [1, anEvent("publish-failed")],
        [2, anEvent("settle-failed", terminated)],
        [3, anEvent("claimed")],
      ]),
    ).toEqual([
      [40, `publishing events failed, trying again${FURTHER}`],
      [20, "publishing events failed, trying again"],
      [40, `Postgres cannot be reached: writing outcomes failed, trying again${FURTHER}`],
      [30, "Postgres answers again: claimed jobs"],
    ]);
  });

  it.each([
    "getaddrinfo ENOTFOUND db",
    "read ECONNRESET",
    "write EPIPE",
    "Query read timeout",
    "Got no connection of the pool within 30000 ms: all are in use, or Postgres is silent",
    "timeout exceeded when trying to connect",
    "the database system is starting up",
    "Postgres could not run claim: terminating connection due to administrator command (57P01)",
  ])("takes for an error of connection: %s", (message) => {
    const [[, line] = []] = linesOf([[0, anEvent("claim-failed", { error: { name: "Error", message } })]]);
    expect(line).toMatch(/^Postgres cannot be reached: /u);
  });

  it.each([
    "permission denied for table pending",
    "Postgres could not run claim: deadlock detected (40P01)",
    "ERROR",
  ])("takes for another error: %s", (message) => {
    const [[, line] = []] = linesOf([[0, anEvent("claim-failed", { error: { name: "Error", message } })]]);
    expect(line).toBe(`claiming failed, trying again${FURTHER}`);
  });
});

const FURTHER = "; more are at debug for a minute";

/** The level and the message of each line, of events at moments in milliseconds. */
function linesOf(events: readonly (readonly [number, WorkerEvent])[]): readonly (readonly unknown[])[] {
  const log = memoryLog();
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(({ flush }) => {
    from(events)
      .pipe(
        mergeMap(([atMs, event]) => of(event).pipe(delay(atMs))),
        logEvents(log.logger, "w1"),
      )
      .subscribe();
    flush();
  });
  return log.lines().map(({ level, msg }) => [level, msg]);
}
