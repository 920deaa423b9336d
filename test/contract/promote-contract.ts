import { describe, expect, it } from "vitest";
import { FAILED, idsOf } from "./bench.ts";
import type { Bench, Open } from "./bench.ts";

/** When scheduled jobs become pending, and what `promote` tells of the queues. */
export function promoteContract(open: Open): void {
  describe("promote", () => {
    it("makes due jobs pending and leaves the others", async () => {
      const bench = await open();
      const [due, later] = await bench.addAll([{ delayMs: 1_000 }, { delayMs: 300_000 }]);
      await bench.elapse(2_000);
      const { dueInMs } = await bench.promote();
      expect(dueInMs).toBeGreaterThan(0);
      expect(await bench.states()).toEqual(
        new Map([
          [due, "pending"],
          [later, "scheduled"],
        ]),
      );
    });

    it("puts a promoted job in its order by priority and id", async () => {
      const bench = await open();
      const [scheduled] = await bench.addAll([{ delayMs: 1_000 }, {}]);
      const last = await bench.add({ priority: 1, delayMs: 1_000 });
      await bench.elapse(2_000);
      await bench.promote();
      const claimed = idsOf(await bench.claim(await bench.worker()));
      expect([claimed[0], claimed[2]]).toEqual([scheduled, last]);
    });

    it("tells when the next job is due", async () => {
      const bench = await open();
      await bench.addAll([{ delayMs: 500_000 }, { delayMs: 60_000 }, {}]);
      const { dueInMs } = await bench.promote();
      expect(dueInMs).toBeGreaterThan(0);
      expect(dueInMs).toBeLessThanOrEqual(60_000);
    });

    it("tells of no next job where none is scheduled", async () => {
      const bench = await open();
      await bench.add({ delayMs: 1_000, queue: "other" });
      await bench.add();
      expect((await bench.promote()).dueInMs).toBeUndefined();
    });

    it("works on the queues that it is given", async () => {
      const bench = await open();
      const queues = ["left", "right", "middle"];
      const ids = await bench.addAll(queues.map((queue) => ({ queue, delayMs: 1_000 })));
      await bench.elapse(2_000);
      const { readyQueues } = await bench.promote(["left", "right", "nowhere"]);
      expect(readyQueues.toSorted()).toEqual(["left", "right"]);
      expect(await bench.state(ids[2] ?? "")).toBe("scheduled");
    });

    it("does nothing without queues", async () => {
      const bench = await open();
      await bench.addAll([{}, { delayMs: 1_000 }]);
      expect(await bench.promote([])).toEqual({ readyQueues: [], dueInMs: undefined, cancelled: [] });
    });

    it("tells of queues only where jobs of the given kinds are pending", async () => {
      const bench = await open();
      await bench.addAll([
        { queue: "left", kind: "mill" },
        { queue: "right", kind: "sift" },
        { queue: "middle", kind: "mill", delayMs: 60_000 },
      ]);
      const { readyQueues } = await bench.promote(["left", "right", "middle"], ["mill"]);
      expect(readyQueues).toEqual(["left"]);
    });

    it("does not tell of queues whose jobs are claimed, waiting or failed", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      await bench.addAll([{}, {}]);
      const [job, other] = await bench.claim(workerId);
      if (job !== undefined) await bench.settle(workerId, [job], FAILED);
      await bench.add({ after: [other?.id ?? ""] });
      expect((await bench.promote()).readyQueues).toEqual([]);
    });

    it("is bounded, and asks to be called again at once until all due jobs are pending", async () => {
      const bench = await open();
      await bench.addAll(Array.from({ length: 2_500 }, () => ({ delayMs: 1_000 })));
      await bench.elapse(2_000);
      expect(await promoteAll(bench)).toBeGreaterThan(1);
      expect(await bench.pendingCount()).toBe(2_500);
    });

    it("makes each job pending once when many promote at the same time", async () => {
      const bench = await open();
      await bench.addAll(Array.from({ length: 50 }, () => ({ delayMs: 1_000 })));
      await bench.elapse(2_000);
      await Promise.all(Array.from({ length: 6 }, () => bench.promote()));
      await promoteAll(bench);
      expect(await bench.pendingCount()).toBe(50);
    });
  });
}

/** Promotes until nothing is due, and answers with the number of calls. */
async function promoteAll(bench: Bench): Promise<number> {
  for (let calls = 1; calls <= 50; calls += 1) {
    if ((await bench.promote()).dueInMs === undefined) return calls;
  }
  throw new Error("Jobs are still due after 50 calls");
}
