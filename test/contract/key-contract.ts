import { describe, expect, it } from "vitest";
import { CANCELLED, FAILED, idsOf, kept, RELEASED, retried, snoozed, SUCCEEDED } from "./bench.ts";
import type { Bench, Open, Written } from "./bench.ts";

const KEYED = { key: "charge 7" };

/** What becomes of one more job of the key. */
async function again(bench: Bench): Promise<{ readonly id: string; readonly inserted: boolean }> {
  const [answer] = await bench.enqueue([KEYED]);
  if (answer === undefined) throw new Error("Expected an answer");
  const { id, inserted } = answer;
  return { id, inserted };
}

/** Enqueues the job of the key, claims it, and ends its attempt. */
async function ended(bench: Bench, outcome: Written, keepResultMs?: number): Promise<string> {
  const id = await bench.add({ ...KEYED, keepResultMs });
  const workerId = await bench.worker();
  await bench.settle(workerId, [await bench.claimOne(workerId)], outcome);
  return id;
}

/** That at most one job has a key, and for how long it has it. */
export function keyContract(open: Open): void {
  describe("a key", () => {
    it("lets one job be written, and tells of it ever after", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      expect(await again(bench)).toEqual({ id, inserted: false });
      expect(await again(bench)).toEqual({ id, inserted: false });
      expect([...(await bench.states())]).toEqual([[id, "pending"]]);
    });

    it("is taken across kinds and queues, and leaves the first job as it is", async () => {
      const bench = await open();
      const id = await bench.add({ ...KEYED, payload: '"first"' });
      const other = { ...KEYED, kind: "sift", queue: "other", payload: '"second"', priority: -9 };
      expect(await bench.enqueue([other])).toEqual([{ id, inserted: false }]);
      expect(await bench.claimOne(await bench.worker())).toMatchObject({ id, payload: "first", priority: 0 });
    });

    it("gives one job to two of the same call, and keeps the order of the answers", async () => {
      const bench = await open();
      const answers = await bench.enqueue([{}, { key: "b" }, { key: "a" }, {}, { key: "b" }, { key: "a" }]);
      const [, b, a] = idsOf(answers);
      expect(answers.map(({ inserted }) => inserted)).toEqual([true, true, true, true, false, false]);
      expect(idsOf(answers).slice(4)).toEqual([b, a]);
      expect((await bench.states()).size).toBe(4);
      const claimed = idsOf(await bench.claim(await bench.worker()));
      expect(claimed).toEqual(idsOf(answers).slice(0, 4));
    });

    it("holds back no job of another key, of none, or that differs in the case of a letter", async () => {
      const bench = await open();
      await bench.add(KEYED);
      const answers = await bench.enqueue([{ key: "charge 8" }, {}, {}, { key: "Charge 7" }]);
      expect(answers.map(({ inserted }) => inserted)).toEqual([true, true, true, true]);
    });

    it("holds back a job that would wait for others, and its links", async () => {
      const bench = await open();
      const parent = await bench.add();
      const id = await bench.add(KEYED);
      expect(await bench.enqueue([{ ...KEYED, after: [parent] }])).toEqual([{ id, inserted: false }]);
      const workerId = await bench.worker();
      await bench.settle(workerId, await bench.claim(workerId), SUCCEEDED);
      expect((await bench.states()).size).toBe(0);
    });

    it.each([
      ["scheduled", { delayMs: 60_000 }],
      ["waiting", { after: ["1"] }],
    ] as const)("stands while its job is %s", async (state, job) => {
      const bench = await open();
      await bench.add();
      const id = await bench.add({ ...KEYED, ...job });
      expect(await bench.state(id)).toBe(state);
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it("stands while its job is claimed, and when that claim is lost", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      const workerId = await bench.worker();
      await bench.claim(workerId);
      expect(await again(bench)).toEqual({ id, inserted: false });
      await bench.expireLease(workerId);
      await bench.recover();
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it.each<[string, Written]>([
      ["is tried again", retried(60_000)],
      ["was postponed", snoozed(60_000)],
      ["was released", RELEASED],
      ["failed for good", FAILED],
      ["was cancelled", CANCELLED],
    ])("stands when its job %s", async (_, outcome) => {
      const bench = await open();
      const id = await ended(bench, outcome);
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it("stands when its job was cancelled before it began, and when it is retried", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      await bench.cancel({ ids: [id] });
      expect(await again(bench)).toEqual({ id, inserted: false });
      await bench.retryJob(id);
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it("stands for a job that failed at once because its parent had failed", async () => {
      const bench = await open();
      const parent = await bench.add({ priority: -1 });
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], FAILED);
      const id = await bench.add({ ...KEYED, after: [parent], afterFailure: "fail" });
      expect(await bench.state(id)).toBe("failed");
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it.each<[string, Written]>([
      ["succeeded", SUCCEEDED],
      ["succeeded with a result that nobody keeps", kept("flour")],
    ])("is free when its job %s", async (_, outcome) => {
      const bench = await open();
      const id = await ended(bench, outcome);
      expect(await again(bench)).toEqual({ id: expect.not.stringMatching(`^${id}$`), inserted: true });
    });

    it("is free when its job succeeded in a batch with others, and theirs are not", async () => {
      const bench = await open();
      const ids = await bench.addAll([{ key: "a" }, { key: "b" }, {}]);
      const workerId = await bench.worker();
      const [a, b, c] = await bench.claim(workerId);
      if (a === undefined || b === undefined || c === undefined) throw new Error("Expected three jobs");
      await bench.settleAll(workerId, [
        { ...a, outcome: FAILED },
        { ...b, outcome: SUCCEEDED },
        { ...c, outcome: SUCCEEDED },
      ]);
      const [first, second] = await bench.enqueue([{ key: "a" }, { key: "b" }]);
      expect(first).toEqual({ id: ids[0], inserted: false });
      expect(second?.inserted).toBe(true);
    });

    it("is not freed by an outcome that is refused", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      const workerId = await bench.worker();
      const stale = await bench.claimOne(workerId);
      await bench.release(workerId, [stale]);
      await bench.claimOne(workerId);
      expect((await bench.settle(workerId, [stale], SUCCEEDED)).accepted).toEqual([]);
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it("is free when its job was deleted from the failed, and children start all the same", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      const child = await bench.add({ after: [id] });
      await bench.cancel({ ids: [id] });
      expect(await bench.deleteFailed(id)).toBe(true);
      expect(await bench.state(child)).toBe("pending");
      expect((await again(bench)).inserted).toBe(true);
    });

    it("is free when its job failed so long ago that it is deleted, and only then", async () => {
      const bench = await open();
      const id = await ended(bench, FAILED);
      await bench.elapse(60_000);
      const young = await bench.add({ key: "charge 8" });
      await bench.cancel({ ids: [young] });
      expect(await bench.expireFailed(30_000)).toBe(1);
      expect(await again(bench)).toEqual({ id: expect.not.stringMatching(`^${id}$`), inserted: true });
      expect(await bench.enqueue([{ key: "charge 8" }])).toEqual([{ id: young, inserted: false }]);
    });

    it("stands while its failed job is waited for, however long ago that failed", async () => {
      const bench = await open();
      const id = await bench.add(KEYED);
      await bench.add({ after: [id] });
      await bench.cancel({ ids: [id] });
      expect(await bench.expireFailed(0)).toBe(0);
      expect(await again(bench)).toEqual({ id, inserted: false });
    });

    it("stands while the result of its job is kept, and is free when that has expired", async () => {
      const bench = await open();
      const id = await ended(bench, kept("flour"), 60_000);
      expect(await again(bench)).toEqual({ id, inserted: false });
      await bench.elapse(61_000);
      expect(await again(bench)).toEqual({ id, inserted: false });
      expect(await bench.expireResults()).toBe(1);
      expect((await again(bench)).inserted).toBe(true);
    });

    it("is free when its handler completed the job in a transaction of its own", async () => {
      const bench = await open();
      if (bench.completeInTransaction === undefined) return;
      await bench.add(KEYED);
      const workerId = await bench.worker();
      await bench.completeInTransaction(workerId, await bench.claimOne(workerId));
      expect((await again(bench)).inserted).toBe(true);
    });

    it("is given to one of many that ask for it at the same moment", async () => {
      const bench = await open();
      for (let round = 0; round < 20; round += 1) {
        const calls = Array.from({ length: 8 }, () => bench.enqueue([{ key: `round ${round}` }]));
        const answers = (await Promise.all(calls)).flat();
        expect(new Set(idsOf(answers)).size).toBe(1);
        expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
      }
      expect((await bench.states()).size).toBe(20);
    });
  });
}
