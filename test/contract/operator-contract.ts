import { describe, expect, it } from "vitest";
import { FAILED, idsOf, retried } from "./bench.ts";
import type { Bench, Open } from "./bench.ts";

/** An id that no test hands out. */
const UNKNOWN = "123456789012345678";

/** What an operator asks of a store. */
export function operatorContract(open: Open): void {
  describe("listFailed", () => {
    it("lists the newest first, up to its limit", async () => {
      const bench = await open();
      const first = await fail(bench);
      const second = await fail(bench);
      const third = await fail(bench);
      expect(idsOf(await bench.listFailed())).toEqual([third, second, first]);
      expect(idsOf(await bench.listFailed(2))).toEqual([third, second]);
    });

    it("lists those that failed at the same moment by id, the highest first", async () => {
      const bench = await open({ firstId: "9" });
      const ids = await bench.addAll([{}, {}, {}]);
      const workerId = await bench.worker();
      const claims = await bench.claim(workerId);
      await bench.settle(workerId, claims.toReversed(), FAILED);
      const listed = await bench.listFailed();
      expect(new Set(listed.map(({ failedAt }) => failedAt.getTime())).size).toBe(1);
      expect(idsOf(listed)).toEqual(ids.toReversed());
      expect(idsOf(await bench.listFailed(2))).toEqual(ids.toReversed().slice(0, 2));
    });

    it("tells what there is to know, and never the payload", async () => {
      const bench = await open();
      const id = await fail(bench, { payload: '{"secret":1}', source: "turn:7", queue: "default" });
      const [job] = await bench.listFailed();
      expect(Object.keys(job ?? {}).toSorted()).toEqual([
        "attempt",
        "cancelled",
        "crashes",
        "enqueuedAt",
        "errors",
        "failedAt",
        "id",
        "kind",
        "maxAttempts",
        "queue",
        "reason",
        "source",
      ]);
      expect(JSON.stringify(job)).not.toContain("secret");
      expect(job).toMatchObject({ id, cancelled: false });
      expect(job?.enqueuedAt).toBeInstanceOf(Date);
      expect(job?.failedAt.getTime()).toBeGreaterThanOrEqual(job?.enqueuedAt.getTime() ?? Infinity);
    });

    it("lists nothing where nothing failed", async () => {
      const bench = await open();
      await bench.add();
      expect(await bench.listFailed()).toEqual([]);
    });
  });

  describe("retryJob", () => {
    it("makes a failed job pending, its attempts cleared and its token kept", async () => {
      const bench = await open();
      const id = await bench.add({ maxAttempts: 2 });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], retried(0));
      await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
      expect(await bench.retryJob(id)).toBe(true);
      expect(await bench.listFailed()).toEqual([]);
      const job = await bench.claimOne(workerId);
      expect(job).toMatchObject({ id, attempt: 1, maxAttempts: 2, token: 3 });
    });

    it("clears the crashes of a job and keeps its errors", async () => {
      const bench = await open();
      const id = await bench.add({ maxAttempts: 1 });
      const workerId = await bench.worker();
      await bench.claimOne(workerId);
      await bench.expireLease(workerId);
      await bench.recover();
      await bench.retryJob(id);
      const next = await bench.worker();
      const job = await bench.claimOne(next);
      expect(job).toMatchObject({ attempt: 1, crashes: 0, token: 2 });
      await bench.settle(next, [job], FAILED);
      const [failed] = await bench.listFailed();
      expect(failed?.errors.map(({ name, attempt }) => [name, attempt])).toEqual([
        [expect.any(String), 1],
        ["JamError", 1],
      ]);
    });

    it("answers false for a job that is not failed", async () => {
      const bench = await open();
      const [pending, scheduled] = await bench.addAll([{}, { delayMs: 60_000 }]);
      const waiting = await bench.add({ after: [pending ?? ""] });
      const states = await bench.states();
      for (const id of [pending, scheduled, waiting, UNKNOWN]) {
        expect(await bench.retryJob(id ?? "")).toBe(false);
      }
      expect(await bench.states()).toEqual(states);
    });

    it("answers true once", async () => {
      const bench = await open();
      const id = await fail(bench);
      const answers = await Promise.all([1, 2, 3].map(() => bench.retryJob(id)));
      expect(answers.filter(Boolean)).toEqual([true]);
      expect(await bench.pendingCount()).toBe(1);
    });
  });

  describe("a cancelled job", () => {
    it("is revived by retryJob, and by no bulkRetry", async () => {
      const bench = await open();
      const [cancelled = "", other = ""] = await bench.addAll([{}, { kind: "sift" }]);
      await bench.cancel({ ids: [cancelled, other] });
      const failed = await fail(bench);
      for (const dryRun of [true, false]) {
        expect(await bench.bulkRetry("mill", { dryRun })).toBe(1);
        expect(await bench.bulkRetry("sift", { dryRun })).toBe(0);
        expect(await bench.bulkRetry(undefined, { dryRun })).toBe(dryRun ? 1 : 0);
      }
      expect(await bench.state(failed)).toBe("pending");
      expect(idsOf(await bench.listFailed()).toSorted()).toEqual([cancelled, other].toSorted());
      expect(await bench.retryJob(cancelled)).toBe(true);
      expect(await bench.look(cancelled)).toMatchObject({ state: "pending", cancelled: false, attempt: 0 });
    });

    it("is deleted as a failed one", async () => {
      const bench = await open();
      const id = await bench.add();
      const child = await bench.add({ after: [id] });
      await bench.cancel({ ids: [id] });
      expect(await bench.deleteFailed(id)).toBe(true);
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });
  });

  describe("expireFailed", () => {
    it("deletes what failed long ago, and leaves what failed since", async () => {
      const bench = await open();
      const old = await fail(bench);
      await bench.elapse(120_000);
      const recent = await fail(bench);
      expect(await bench.expireFailed(200_000)).toBe(0);
      expect(await bench.expireFailed(60_000)).toBe(1);
      expect(await bench.states()).toEqual(new Map([[recent, "failed"]]));
      expect(await bench.state(old)).toBeUndefined();
      expect(await bench.expireFailed(0)).toBe(1);
    });

    it("deletes no more than its limit, the oldest first", async () => {
      const bench = await open();
      const ids: string[] = [];
      for (let count = 0; count < 4; count += 1) {
        ids.push(await fail(bench));
        await bench.elapse(1_000);
      }
      expect(await bench.expireFailed(0, 3)).toBe(3);
      expect(await bench.states()).toEqual(new Map([[ids[3], "failed"]]));
    });

    it("leaves those that another job waits for, until it does not any more", async () => {
      const bench = await open();
      const parent = await bench.add();
      const patient = await bench.add({ after: [parent] });
      const failing = await bench.add({ after: [parent], afterFailure: "fail" });
      const workerId = await bench.worker();
      await bench.settle(workerId, await bench.claim(workerId), FAILED);
      // `failing` went with its parent, and nothing waits for it.
      expect(await bench.expireFailed(0)).toBe(1);
      expect(await bench.state(failing)).toBeUndefined();
      expect(await bench.states()).toEqual(
        new Map([
          [parent, "failed"],
          [patient, "waiting"],
        ]),
      );
      await bench.cancel({ ids: [patient] });
      expect(await bench.expireFailed(0)).toBe(2);
    });
  });

  describe("bulkRetry", () => {
    it.each<[string | undefined, number]>([
      ["mill", 2],
      ["sift", 1],
      ["bake", 0],
      [undefined, 3],
    ])("of kind %s makes those pending and counts them", async (kind, count) => {
      const bench = await open();
      await failEach(bench, ["mill", "sift", "mill"]);
      expect(await bench.bulkRetry(kind, { dryRun: false })).toBe(count);
      expect(await bench.pendingCount()).toBe(count);
      expect(await bench.listFailed()).toHaveLength(3 - count);
      const jobs = await bench.claim(await bench.worker(), { kinds: ["mill", "sift"] });
      expect(jobs.map(({ attempt }) => attempt)).toEqual(Array(count).fill(1));
    });

    it.each<[string | undefined, number]>([
      ["mill", 2],
      [undefined, 3],
    ])("of kind %s only counts in a dry run", async (kind, count) => {
      const bench = await open();
      await failEach(bench, ["mill", "sift", "mill"]);
      const failed = await bench.listFailed();
      expect(await bench.bulkRetry(kind, { dryRun: true })).toBe(count);
      expect(await bench.listFailed()).toEqual(failed);
      expect(await bench.pendingCount()).toBe(0);
    });
  });

  describe("deleteFailed", () => {
    it("deletes a failed job, once", async () => {
      const bench = await open();
      const [id, other] = [await fail(bench), await fail(bench)];
      expect(await bench.deleteFailed(id)).toBe(true);
      expect(await bench.deleteFailed(id)).toBe(false);
      expect(await bench.states()).toEqual(new Map([[other, "failed"]]));
    });

    it("leaves a job that is not failed", async () => {
      const bench = await open();
      const [pending, scheduled] = await bench.addAll([{}, { delayMs: 60_000 }]);
      const waiting = await bench.add({ after: [pending ?? ""] });
      for (const id of [pending, scheduled, waiting, UNKNOWN]) {
        expect(await bench.deleteFailed(id ?? "")).toBe(false);
      }
      expect((await bench.states()).size).toBe(3);
    });
  });

  describe("pendingCount", () => {
    it("counts the jobs of all queues that may run now", async () => {
      const bench = await open();
      await fail(bench);
      const [parent] = await bench.addAll([{}, { queue: "other" }, { kind: "sift" }]);
      await bench.addAll([{ delayMs: 60_000 }, { after: [parent ?? ""] }]);
      expect(await bench.pendingCount()).toBe(3);
      await bench.claimOne(await bench.worker());
      expect(await bench.pendingCount()).toBe(2);
    });
  });
}

/** Enqueues a job, lets it fail, and answers with its id. */
async function fail(bench: Bench, job: Parameters<Bench["add"]>[0] = {}): Promise<string> {
  const id = await bench.add(job);
  const workerId = await bench.worker();
  const request = { kinds: [job.kind ?? "mill"] };
  await bench.settle(workerId, [await bench.claimOne(workerId, request)], FAILED);
  return id;
}

async function failEach(bench: Bench, kinds: readonly string[]): Promise<void> {
  for (const kind of kinds) await fail(bench, { kind });
}
