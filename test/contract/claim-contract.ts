import { describe, expect, it } from "vitest";
import { CLAIM_LIMIT } from "../../src/core/store-calls.ts";
import { FAILED, idsOf, retried, SUCCEEDED } from "./bench.ts";
import type { Open } from "./bench.ts";

/** Which jobs `claim` takes, in which order, and for whom. */
export function claimContract(open: Open): void {
  describe("claim", () => {
    it("takes what stands behind a place in the order of priority and id, and nothing before it", async () => {
      const bench = await open({ firstId: "9" });
      const ids = await bench.addAll([0, 0, 0, -1, 1].map((priority) => ({ priority })));
      const [first, second, third, urgent, last] = ids;
      const workerId = await bench.worker();
      const after = { priority: 0, id: first ?? "" };
      expect(idsOf(await bench.claim(workerId, { after, limit: 1 }))).toEqual([second]);
      expect(idsOf(await bench.claim(workerId, { after }))).toEqual([third, last]);
      expect(idsOf(await bench.claim(workerId))).toEqual([urgent, first]);
    });

    it("takes the lowest priority first, then in id order", async () => {
      const bench = await open();
      const priorities = [5, 0, -3, 5, 0, 32_767, -32_768];
      const ids = await bench.addAll(priorities.map((priority) => ({ priority })));
      const claimed = await bench.claim(await bench.worker());
      expect(idsOf(claimed)).toEqual([6, 2, 1, 4, 0, 3, 5].map((index) => ids[index]));
    });

    it.each(["9", "99", "9007199254740990", "999999999999999998"])(
      "orders ids as numbers from %s on",
      async (firstId) => {
        const bench = await open({ firstId });
        const ids = await bench.addAll([{}, {}, {}, {}, {}]);
        expect(ids).toEqual(ids.map((_, index) => String(BigInt(firstId) + BigInt(index))));
        const workerId = await bench.worker();
        expect(idsOf(await bench.claim(workerId))).toEqual(ids);
      },
    );

    it("tells ids beyond 2^53 apart", async () => {
      const bench = await open({ firstId: "9007199254740992" });
      const [first, second] = await bench.addAll([{}, {}]);
      const workerId = await bench.worker();
      const [job] = await bench.claim(workerId, { limit: 1 });
      await bench.settle(workerId, [job ?? { id: "", token: 0 }], SUCCEEDED);
      expect([...(await bench.states()).keys()]).toEqual([second]);
      expect(job?.id).toBe(first);
    });

    it("takes no more than its limit", async () => {
      const bench = await open();
      const ids = await bench.addAll([{}, {}, {}]);
      const workerId = await bench.worker();
      expect(idsOf(await bench.claim(workerId, { limit: 2 }))).toEqual(ids.slice(0, 2));
      expect(idsOf(await bench.claim(workerId, { limit: 2 }))).toEqual(ids.slice(2));
      expect(await bench.claim(workerId, { limit: 2 })).toEqual([]);
    });

    it("takes no more than 10,000, whatever its limit", async () => {
      const bench = await open();
      await bench.addAll(Array.from({ length: CLAIM_LIMIT + 1 }, () => ({})));
      const limits = { limit: 2 * CLAIM_LIMIT, startLimit: 2 * CLAIM_LIMIT };
      expect(await bench.claim(await bench.worker(), limits)).toHaveLength(CLAIM_LIMIT);
      expect(await bench.pendingCount()).toBe(1);
    });

    it("takes jobs of its queue only", async () => {
      const bench = await open();
      const [, other] = await bench.addAll([{ queue: "left" }, { queue: "right" }]);
      const workerId = await bench.worker();
      expect(idsOf(await bench.claim(workerId, { queue: "right" }))).toEqual([other]);
      expect(await bench.pendingCount()).toBe(1);
    });

    it("takes jobs of its kinds only, and leaves the others in their place", async () => {
      const bench = await open();
      const kinds = ["mill", "sift", "mill", "bake"];
      const ids = await bench.addAll(kinds.map((kind) => ({ kind })));
      const workerId = await bench.worker();
      const known = await bench.claim(workerId, { kinds: ["mill", "bake"] });
      expect(idsOf(known)).toEqual([ids[0], ids[2], ids[3]]);
      expect(await bench.claim(workerId, { kinds: ["mill", "bake"] })).toEqual([]);
      expect(idsOf(await bench.claim(workerId, { kinds: ["sift"] }))).toEqual([ids[1]]);
    });

    it("takes nothing without kinds", async () => {
      const bench = await open();
      await bench.add();
      expect(await bench.claim(await bench.worker(), { kinds: [] })).toEqual([]);
    });

    it("takes pending jobs only", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      const failing = await bench.add();
      await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
      await bench.addAll([{ delayMs: 60_000 }, { after: [failing] }]);
      expect(await bench.claim(workerId)).toEqual([]);
    });

    it("gives each job to one of many workers that claim at once", async () => {
      const bench = await open();
      const ids = await bench.addAll(Array.from({ length: 60 }, () => ({})));
      const workerIds = await Promise.all(Array.from({ length: 8 }, () => bench.worker()));
      const claims = workerIds.map((workerId) => bench.claim(workerId, { limit: 5 }));
      const first = idsOf((await Promise.all(claims)).flat());
      expect(new Set(first).size).toBe(first.length);
      const rest = idsOf(await bench.claim(workerIds[0] ?? "", { limit: 60 }));
      expect(new Set([...first, ...rest])).toEqual(new Set(ids));
      expect(first.length + rest.length).toBe(ids.length);
    });

    it("counts attempts and tokens from 1, one more each time", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      const first = await bench.claimOne(workerId);
      await bench.settle(workerId, [first], retried(0));
      const second = await bench.claimOne(workerId);
      expect([first.attempt, first.token]).toEqual([1, 1]);
      expect([second.attempt, second.token]).toEqual([2, 2]);
    });

    it("gives nothing to a worker whose lease ran out", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      await bench.expireLease(workerId);
      expect(await bench.claim(workerId)).toEqual([]);
      expect(await bench.pendingCount()).toBe(1);
    });

    it("gives nothing to a worker that left", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      await bench.unregister(workerId);
      expect(await bench.claim(workerId)).toEqual([]);
      expect(await bench.pendingCount()).toBe(1);
    });
  });

  describe("claim of a worker that did not hear the answers of its last calls", () => {
    it("brings what they claimed first, under the claims that stand, and then what is missing", async () => {
      const bench = await open();
      const ids = await bench.addAll([{}, { priority: -1 }, {}, {}]);
      const workerId = await bench.worker();
      await bench.claim(workerId, { limit: 1, call: 1 });
      const lost = await bench.claim(workerId, { limit: 2, call: 2 });
      const again = await bench.claim(workerId, { limit: 3, call: 3, lostFrom: 2 });
      expect(idsOf(lost)).toEqual([ids[0], ids[2]]);
      expect(again.slice(0, 2)).toEqual(lost);
      expect(idsOf(again)).toEqual([ids[0], ids[2], ids[3]]);
      expect((await bench.settle(workerId, again, SUCCEEDED)).accepted).toHaveLength(3);
    });

    it("brings it also after more calls got lost, those that took it over among them", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.claim(workerId, { call: 1 });
      await bench.claim(workerId, { call: 2, lostFrom: 1 });
      expect(idsOf(await bench.claim(workerId, { call: 3, lostFrom: 1 }))).toEqual([id]);
      expect(await bench.claim(workerId, { call: 4 })).toEqual([]);
    });

    it("lets none of them claim any more, however late it arrives", async () => {
      const bench = await open();
      const workerId = await bench.worker();
      expect(await bench.claim(workerId, { call: 5, lostFrom: 2 })).toEqual([]);
      const id = await bench.add();
      expect(await bench.claim(workerId, { call: 4 })).toEqual([]);
      expect(idsOf(await bench.claim(workerId, { call: 6 }))).toEqual([id]);
    });

    it("leaves what other workers and other queues hold", async () => {
      const bench = await open();
      await bench.addAll([{}, { queue: "other" }]);
      const [workerId, stranger] = [await bench.worker(), await bench.worker()];
      await bench.claim(stranger, { call: 1 });
      await bench.claim(workerId, { queue: "other", call: 1 });
      expect(await bench.claim(workerId, { call: 2, lostFrom: 1 })).toEqual([]);
    });

    it("marks as begun what begins now, and leaves marked what was", async () => {
      const bench = await open();
      // One that may begin only once fails in a crash if it had begun.
      const ids = await bench.addAll([{ maxAttempts: 1 }, { maxAttempts: 1 }, { maxAttempts: 1 }]);
      const workerId = await bench.worker();
      await bench.claim(workerId, { startLimit: 0, call: 1 });
      await bench.claim(workerId, { startLimit: 2, call: 2, lostFrom: 1 });
      await bench.claim(workerId, { startLimit: 1, call: 3, lostFrom: 1 });
      await bench.expireLease(workerId);
      const { jobs } = await bench.recover();
      expect(idsOf(jobs)).toEqual(ids);
      expect(jobs.map(({ state }) => state)).toEqual(["failed", "failed", "pending"]);
    });

    it("brings nothing when the lease ran out: what they claimed is recovered", async () => {
      const bench = await open();
      await bench.add();
      const workerId = await bench.worker();
      await bench.claim(workerId, { call: 1 });
      await bench.expireLease(workerId);
      expect(await bench.claim(workerId, { call: 2, lostFrom: 1 })).toEqual([]);
    });
  });

  describe("release", () => {
    it("puts a job back at the front, its attempt uncounted", async () => {
      const bench = await open();
      const ids = await bench.addAll([{}, {}, {}]);
      const workerId = await bench.worker();
      const claimed = await bench.claim(workerId, { limit: 2 });
      expect([...(await bench.release(workerId, claimed))].sort()).toEqual(ids.slice(0, 2));
      const again = await bench.claim(workerId);
      expect(idsOf(again)).toEqual(ids);
      expect(again.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
      expect(again.map(({ token }) => token)).toEqual([2, 2, 1]);
    });

    it("gives back one of several claims", async () => {
      const bench = await open();
      const [first, second] = await bench.addAll([{}, {}]);
      const workerId = await bench.worker();
      const claimed = await bench.claim(workerId);
      await bench.release(workerId, claimed.slice(0, 1));
      expect(await bench.states()).toEqual(
        new Map([
          [first, "pending"],
          [second, "claimed"],
        ]),
      );
    });

    it("refuses an older token, another worker and a second time", async () => {
      const bench = await open();
      await bench.add();
      const [workerId, stranger] = [await bench.worker(), await bench.worker()];
      const old = await bench.claimOne(workerId);
      await bench.release(workerId, [old]);
      const job = await bench.claimOne(workerId);
      expect(await bench.release(workerId, [old])).toEqual([]);
      expect(await bench.release(stranger, [job])).toEqual([]);
      expect(await bench.release(workerId, [job])).toEqual([job.id]);
      expect(await bench.release(workerId, [job])).toEqual([]);
    });

    it("does nothing for no claims", async () => {
      const bench = await open();
      expect(await bench.release(await bench.worker(), [])).toEqual([]);
    });
  });
}
