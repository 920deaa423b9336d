import { from, lastValueFrom } from "rxjs";
import { describe, expect, it } from "vitest";
import { logEvents } from "../../src/log.ts";
import { anEvent } from "../../src/testing/index.ts";
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
});
