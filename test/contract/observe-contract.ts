import { describe, expect, it } from "vitest";
import type { JobState } from "../../src/core/job.ts";
import type { QueueDepth } from "../../src/core/store-calls.ts";
import { FAILED, idsOf, kept } from "./bench.ts";
import type { Bench, Open } from "./bench.ts";

/** What a store tells of jobs and workers to those who only look. */
export function observeContract(open: Open): void {
  describe("find", () => {
    it("tells where jobs of every state stand, in the order of ids, and leaves out what is gone", async () => {
      const bench = await open();
      const all = await oneOfEach(bench);
      const ids = [...all.values()];
      const seen = await bench.find(["123456789012345678", ...ids.toReversed(), ...ids]);
      const byId = (a: string, b: string): number => Number(a) - Number(b);
      expect(idsOf(seen)).toEqual(ids.toSorted(byId));
      expect(new Map(seen.map(({ state, id }) => [state, id]))).toEqual(all);
      expect(await bench.find([])).toEqual([]);
    });

    it("tells what there is to know, and never the payload", async () => {
      const bench = await open();
      const id = await bench.add({ payload: '{"secret":1}', source: "turn:7", maxAttempts: 5 });
      const job = await bench.look(id);
      expect(job).toEqual({
        id,
        kind: "mill",
        queue: "default",
        source: "turn:7",
        state: "pending",
        attempt: 0,
        maxAttempts: 5,
        crashes: 0,
        enqueuedAt: expect.any(Date),
        runAt: job.enqueuedAt,
        claimedBy: undefined,
        claimedAt: undefined,
        lastProgress: undefined,
        errors: [],
        reason: undefined,
        cancelled: false,
        endedAt: undefined,
        result: undefined,
      });
    });

    it("tells by whom and since when a job is held, and when it may run", async () => {
      const bench = await open();
      const later = await bench.look(await bench.add({ delayMs: 60_000 }));
      expect(later.runAt.getTime() - later.enqueuedAt.getTime()).toBe(60_000);
      const id = await bench.add();
      await bench.claimOne(await bench.worker({ label: "the miller" }));
      const job = await bench.look(id);
      expect(job).toMatchObject({ claimedBy: "the miller", attempt: 1 });
      expect(job.claimedAt?.getTime()).toBeGreaterThanOrEqual(job.enqueuedAt.getTime());
    });

    it("tells why a job failed", async () => {
      const bench = await open();
      const id = await fail(bench);
      const job = await bench.look(id);
      expect(job).toMatchObject({ state: "failed", cancelled: false, errors: [{ name: "JamError" }] });
      expect(job.reason).toContain("the stone is jammed");
      expect(job.endedAt?.getTime()).toBeGreaterThanOrEqual(job.enqueuedAt.getTime());
    });
  });

  describe("depth", () => {
    it("counts the jobs of each queue and state that has any", async () => {
      const bench = await open();
      expect(await bench.depth()).toEqual([]);
      await oneOfEach(bench);
      await bench.addAll([{}, {}, { queue: "left" }]);
      const counts = [
        { queue: "default", state: "claimed", count: 1 },
        { queue: "default", state: "completed", count: 1 },
        { queue: "default", state: "failed", count: 1 },
        { queue: "default", state: "pending", count: 3 },
        { queue: "default", state: "scheduled", count: 1 },
        { queue: "default", state: "waiting", count: 1 },
        { queue: "left", state: "pending", count: 1 },
      ];
      expect((await bench.depth()).toSorted(byQueue)).toEqual(counts);
    });
  });

  describe("listActive", () => {
    it("lists the claimed jobs, the longest-held first, up to its limit", async () => {
      const bench = await open();
      const ids = await bench.addAll([{ priority: 1 }, { priority: 0 }, {}]);
      const workerId = await bench.worker();
      expect(await bench.listActive()).toEqual([]);
      await bench.claim(workerId, { limit: 1 });
      await bench.claim(workerId, { limit: 1 });
      const held = await bench.listActive();
      expect(new Set(idsOf(held))).toEqual(new Set([ids[1], ids[2]]));
      const since = held.map(({ claimedAt }) => claimedAt?.getTime() ?? 0);
      expect(since).toEqual(since.toSorted((a, b) => a - b));
      expect(await bench.listActive(1)).toEqual(held.slice(0, 1));
      expect(held[0]).toEqual(await bench.look(held[0]?.id ?? ""));
    });
  });

  describe("listWorkers", () => {
    it("lists the workers whose lease stands, the oldest first, and what they hold", async () => {
      const bench = await open();
      expect(await bench.listWorkers()).toEqual([]);
      await bench.addAll([{}, {}]);
      const first = await bench.worker({ label: "one", queues: ["left", "right"], leaseDurationMs: 600_000 });
      const second = await bench.worker({ label: "two" });
      const dead = await bench.worker();
      await bench.claim(second);
      await bench.expireLease(dead);
      const workers = await bench.listWorkers();
      expect(workers).toMatchObject([
        { id: first, label: "one", queues: ["left", "right"], claimed: 0 },
        { id: second, label: "two", queues: ["default"], claimed: 2 },
      ]);
      const [one] = workers;
      expect((one?.leaseExpiresAt.getTime() ?? 0) - (one?.startedAt.getTime() ?? 0)).toBe(600_000);
    });

    it("tells of a renewed lease", async () => {
      const bench = await open();
      const id = await bench.worker({ leaseDurationMs: 600_000 });
      const [before] = await bench.listWorkers();
      await bench.heartbeat(id, 1_200_000);
      const [after] = await bench.listWorkers();
      expect(after?.startedAt).toEqual(before?.startedAt);
      expect(after?.leaseExpiresAt.getTime()).toBeGreaterThan(before?.leaseExpiresAt.getTime() ?? Infinity);
    });
  });
}

/** One job in each state, all in queue `default`. */
async function oneOfEach(bench: Bench): Promise<ReadonlyMap<JobState, string>> {
  const failed = await fail(bench);
  const completed = await bench.add({ keepResultMs: 60_000 });
  const workerId = await bench.worker();
  await bench.settle(workerId, await bench.claim(workerId), kept(1));
  const claimed = await bench.add();
  await bench.claimOne(workerId);
  const [pending = "", scheduled = ""] = await bench.addAll([{}, { delayMs: 60_000 }]);
  const waiting = await bench.add({ after: [pending] });
  return new Map([
    ["waiting", waiting],
    ["scheduled", scheduled],
    ["pending", pending],
    ["claimed", claimed],
    ["failed", failed],
    ["completed", completed],
  ]);
}

async function fail(bench: Bench): Promise<string> {
  const id = await bench.add();
  const workerId = await bench.worker();
  await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
  return id;
}

function byQueue(a: QueueDepth, b: QueueDepth): number {
  return a.queue.localeCompare(b.queue) || a.state.localeCompare(b.state);
}
