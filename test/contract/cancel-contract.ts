import { describe, expect, it } from "vitest";
import type { AfterFailure } from "../../src/core/job.ts";
import { CANCELLED, FAILED, idsOf, kept, retried, RELEASED, snoozed, SUCCEEDED } from "./bench.ts";
import type { Bench, Open, Written } from "./bench.ts";

const NOTHING = { ended: [], requested: [], readyQueues: [] };

/** An id that no test hands out. */
const UNKNOWN = "123456789012345678";

/** What `cancel` does to jobs in every state, and to those that wait for them. */
export function cancelContract(open: Open): void {
  describe("cancel", () => {
    it("ends a job that nobody runs, as cancelled, for its reason", async () => {
      const bench = await open();
      const parent = await bench.add({ queue: "slow" });
      const ids = await bench.addAll([{ source: "turn:7" }, { delayMs: 60_000 }, { after: [parent] }]);
      const cancelled = await bench.cancel({ ids }, "the mill burnt down");
      expect(idsOf(cancelled.ended)).toEqual(ids);
      expect(cancelled).toMatchObject({ requested: [], readyQueues: [] });
      const told = { id: ids[0], kind: "mill", queue: "default", source: "turn:7" };
      expect(cancelled.ended[0]).toEqual({ ...told, attempt: 0, maxAttempts: 3 });
      for (const job of await bench.find(ids)) {
        expect(job).toMatchObject({ state: "failed", cancelled: true, reason: "the mill burnt down" });
        expect(job).toMatchObject({ attempt: 0, errors: [], endedAt: expect.any(Date) });
      }
      expect(await bench.state(parent)).toBe("pending");
      expect(await bench.claim(await bench.worker())).toEqual([]);
    });

    it("asks the worker of a running job, and says who that is", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      const { token } = await bench.claimOne(workerId);
      const cancelled = await bench.cancel({ ids: [id] }, "the mill burnt down");
      expect(cancelled).toEqual({
        ended: [],
        requested: [{ id, token, workerId }],
        readyQueues: [],
      });
      expect(await bench.look(id)).toMatchObject({ state: "claimed", cancelled: false });
      const told = await bench.promote(["default"], ["mill"], workerId);
      expect(told.cancelled).toEqual([{ id, token, reason: "the mill burnt down" }]);
      expect((await bench.promote(["default"], ["mill"], await bench.worker())).cancelled).toEqual([]);
    });

    it("tells the worker of its cancelled jobs without queues too, until they end", async () => {
      const bench = await open();
      const ids = await bench.addAll([{}, {}, {}]);
      const workerId = await bench.worker();
      const jobs = await bench.claim(workerId);
      await bench.cancel({ ids: ids.slice(0, 2) });
      expect(idsOf((await bench.promote([], [], workerId)).cancelled).toSorted()).toEqual(
        ids.slice(0, 2).toSorted(),
      );
      await bench.settle(workerId, jobs.slice(0, 1), CANCELLED);
      expect(idsOf((await bench.promote([], [], workerId)).cancelled)).toEqual([ids[1]]);
    });

    it("again asks again, and keeps the first reason", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.claimOne(workerId);
      const first = await bench.cancel({ ids: [id] }, "first");
      expect(await bench.cancel({ ids: [id] }, "second")).toEqual(first);
      const { cancelled } = await bench.promote([], [], workerId);
      expect(cancelled.map(({ reason }) => reason)).toEqual(["first"]);
    });

    it.each<[string, Written, number]>([
      ["retried", retried(0), 1],
      ["retried later", retried(60_000), 1],
      ["snoozed", snoozed(0), 0],
      ["released", RELEASED, 0],
    ])("ends a job that is %s after the order, uncounted, and says so", async (_name, outcome, errors) => {
      const bench = await open();
      const id = await bench.add();
      const child = await bench.add({ after: [id], afterFailure: "run" });
      const workerId = await bench.worker();
      const claimed = await bench.claimOne(workerId);
      await bench.cancel({ ids: [id] }, "no grain");
      const settled = await bench.settle(workerId, [claimed], outcome);
      expect(settled.accepted).toEqual([id]);
      expect(settled.cancelled).toEqual([{ id, reason: "no grain" }]);
      expect(settled.readyQueues).toEqual(["default"]);
      const job = await bench.look(id);
      expect(job).toMatchObject({ state: "failed", cancelled: true, reason: "no grain", attempt: 0 });
      expect(job.errors).toHaveLength(errors);
      expect(await bench.state(child)).toBe("pending");
    });

    it("ends a job that is given back unbegun", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      const claimed = await bench.claimOne(workerId);
      await bench.cancel({ ids: [id] });
      expect(await bench.release(workerId, [claimed])).toEqual([id]);
      expect(await bench.look(id)).toMatchObject({ state: "failed", cancelled: true, attempt: 0 });
    });

    it("leaves an outcome that ends the job in any case as it is", async () => {
      const bench = await open();
      const [done = "", failed = ""] = await bench.addAll([{ keepResultMs: 60_000 }, {}]);
      const workerId = await bench.worker();
      const claims = await bench.claim(workerId);
      await bench.cancel({ ids: [done, failed] });
      const outcomes = [kept(1), FAILED];
      const { cancelled } = await bench.settleAll(
        workerId,
        claims.map((job, index) => ({ ...job, outcome: outcomes[index] ?? FAILED })),
      );
      expect(cancelled).toEqual([]);
      expect(await bench.state(done)).toBe("completed");
      expect(await bench.look(failed)).toMatchObject({ state: "failed", cancelled: false });
    });

    it("does nothing to what has ended, or never was", async () => {
      const bench = await open();
      const [failed, done, gone] = await bench.addAll([{}, { keepResultMs: 60_000 }, {}]);
      const workerId = await bench.worker();
      const outcomes = [FAILED, kept(1), SUCCEEDED];
      const jobs = await bench.claim(workerId);
      const settlements = jobs.map((job, index) => ({ ...job, outcome: outcomes[index] ?? SUCCEEDED }));
      await bench.settleAll(workerId, settlements);
      const before = await bench.find([failed ?? "", done ?? ""]);
      const ids = [failed ?? "", done ?? "", gone ?? "", UNKNOWN];
      expect(await bench.cancel({ ids })).toEqual(NOTHING);
      expect(await bench.find(ids)).toEqual(before);
      expect(await bench.cancel({ ids: [] })).toEqual(NOTHING);
    });

    it("ends each job once, however often it is named and by however many", async () => {
      const bench = await open();
      const ids = await bench.addAll(Array.from({ length: 20 }, () => ({})));
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => bench.cancel({ ids: [...ids, ...ids].toReversed() })),
      );
      const ended = idsOf(answers.flatMap((answer) => answer.ended));
      expect(ended).toHaveLength(20);
      expect(new Set(ended)).toEqual(new Set(ids));
    });
  });

  describe("cancel by a filter", () => {
    it.each([
      [{ kind: "sift" }, [1, 3, 4]],
      [{ queue: "left" }, [2, 3]],
      [{ source: "turn:7" }, [0, 3]],
      [{ kind: "sift", queue: "left" }, [3]],
      [{ kind: "mill", queue: undefined, source: "turn:7" }, [0]],
      [{ kind: "bake" }, []],
      [{ queue: "nowhere", source: "turn:7" }, []],
      [{}, [0, 1, 2, 3, 4]],
    ])("%j ends those that match all of it", async (filter, indexes) => {
      const bench = await open();
      const ids = await bench.addAll([
        { source: "turn:7" },
        { kind: "sift" },
        { queue: "left", delayMs: 60_000 },
        { queue: "left", kind: "sift", source: "turn:7" },
      ]);
      const all = [...ids, await bench.add({ kind: "sift", after: ids.slice(2, 3), source: "turn:8" })];
      const { ended } = await bench.cancel(filter);
      const wanted = indexes.map((index) => all[index] ?? "");
      expect(idsOf(ended)).toEqual(wanted);
      const states = await bench.states();
      expect(all.filter((id) => states.get(id) === "failed")).toEqual(wanted);
    });

    it("asks the workers of those that run, and leaves what has ended", async () => {
      const bench = await open();
      await bench.addAll([{}, {}, {}, { kind: "sift" }]);
      const workerId = await bench.worker();
      const [first, second] = await bench.claim(workerId, { limit: 2, kinds: ["mill", "sift"] });
      if (first === undefined || second === undefined) throw new Error("Expected two jobs");
      await bench.settle(workerId, [first], FAILED);
      const { ended, requested } = await bench.cancel({ kind: "mill" });
      expect(ended).toHaveLength(1);
      expect(requested).toEqual([{ id: second.id, token: second.token, workerId }]);
      expect(await bench.look(first.id)).toMatchObject({ cancelled: false, state: "failed" });
      expect(await bench.pendingCount()).toBe(1);
    });

    it("ends more jobs than one step takes", async () => {
      const bench = await open();
      const many = { length: 1_250 };
      await bench.addAll(Array.from(many, () => ({ kind: "sift" })));
      await bench.addAll(Array.from(many, () => ({ kind: "sift", delayMs: 60_000 })));
      const [spared] = await bench.addAll([{ kind: "mill" }]);
      const { ended } = await bench.cancel({ kind: "sift" });
      expect(new Set(idsOf(ended)).size).toBe(2_500);
      expect((await bench.promote(["default"], ["mill", "sift"])).dueInMs).toBeUndefined();
      expect(await bench.pendingCount()).toBe(1);
      expect(await bench.state(spared ?? "")).toBe("pending");
    }, 60_000);
  });

  describe("when a job is cancelled", () => {
    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("its child that should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent], afterFailure });
      const { ended, readyQueues } = await bench.cancel({ ids: [parent] });
      expect(idsOf(ended)).toEqual([parent]);
      expect(readyQueues).toEqual(afterFailure === "run" ? ["default"] : []);
      expect(await bench.look(child)).toMatchObject({ state, cancelled: false });
    });

    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("while it waits, its child that should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent] });
      const grandchild = await bench.add({ after: [child], afterFailure, queue: "bakery" });
      const { readyQueues } = await bench.cancel({ ids: [child] });
      expect(readyQueues).toEqual(afterFailure === "run" ? ["bakery"] : []);
      expect(await bench.state(grandchild)).toBe(state);
      await bench.cancel({ ids: [parent] });
      expect(await bench.look(child)).toMatchObject({ state: "failed", reason: "enough" });
    });

    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])(
      "while it runs, its child that should %s is %s at its end, not before",
      async (afterFailure, state) => {
        const bench = await open();
        const parent = await bench.add();
        const child = await bench.add({ after: [parent], afterFailure });
        const workerId = await bench.worker();
        const job = await bench.claimOne(workerId);
        await bench.cancel({ ids: [parent] });
        expect(await bench.state(child)).toBe("waiting");
        await bench.settle(workerId, [job], CANCELLED);
        expect(await bench.state(child)).toBe(state);
      },
    );

    it.each<[AfterFailure, string]>([
      ["wait", "waiting"],
      ["run", "pending"],
      ["fail", "failed"],
    ])("a child that comes later and should %s is %s", async (afterFailure, state) => {
      const bench = await open();
      const parent = await bench.add();
      await bench.cancel({ ids: [parent] });
      expect(await bench.state(await bench.add({ after: [parent], afterFailure }))).toBe(state);
    });

    it("with its children, they are cancelled with it, whatever they should do", async () => {
      const bench = await open();
      const parent = await bench.add();
      const policies = ["wait", "run", "fail"] as const;
      const children = await bench.addAll(
        policies.map((afterFailure) => ({ after: [parent], afterFailure })),
      );
      const ids = [parent, ...children];
      const { ended, readyQueues } = await bench.cancel({ ids: ids.toReversed() });
      expect(new Set(idsOf(ended))).toEqual(new Set(ids));
      expect(readyQueues).toEqual([]);
      for (const job of await bench.find(ids)) {
        expect(job).toMatchObject({ state: "failed", cancelled: true, reason: "enough" });
      }
    });

    it("and retried, its waiting child may run when it succeeds", async () => {
      const bench = await open();
      const parent = await bench.add();
      const child = await bench.add({ after: [parent] });
      await bench.cancel({ ids: [parent] });
      expect(await bench.retryJob(parent)).toBe(true);
      const workerId = await bench.worker();
      await bench.settle(workerId, await bench.claim(workerId), SUCCEEDED);
      expect(await bench.states()).toEqual(new Map([[child, "pending"]]));
    });
  });

  describe("an attempt whose job is cancelled while it runs", () => {
    it("ends as cancelled: uncounted, its error kept, for the reason that was given", async () => {
      const bench = await open();
      const { id, workerId, token } = await cancelledWhileItRuns(bench, { maxAttempts: 1 });
      const settled = await bench.settle(workerId, [{ id, token }], CANCELLED);
      expect(settled).toEqual({ accepted: [id], completed: [], readyQueues: [], cancelled: [] });
      const job = await bench.look(id);
      expect(job).toMatchObject({ state: "failed", cancelled: true, reason: "enough", attempt: 0 });
      expect(job.errors).toMatchObject([{ name: "CancelledError", message: "told to end", attempt: 1 }]);
      expect(await bench.listFailed()).toMatchObject([{ id, cancelled: true, reason: "enough", attempt: 0 }]);
    });

    it("ends as cancelled by its own words where nobody asked", async () => {
      const bench = await open();
      const id = await bench.add();
      const workerId = await bench.worker();
      await bench.settle(workerId, [await bench.claimOne(workerId)], CANCELLED);
      expect(await bench.look(id)).toMatchObject({ cancelled: true, reason: "told to end" });
    });

    it.each<[string, Written, string | undefined]>([
      ["succeeded", SUCCEEDED, undefined],
      ["failed", FAILED, "failed"],
    ])("is %s where its worker says so", async (_, outcome, state) => {
      const bench = await open();
      const { id, workerId, token } = await cancelledWhileItRuns(bench);
      expect((await bench.settle(workerId, [{ id, token }], outcome)).accepted).toEqual([id]);
      expect(await bench.state(id)).toBe(state);
      const [failed] = await bench.listFailed();
      if (state === "failed") expect(failed).toMatchObject({ cancelled: false, attempt: 1 });
    });

    it("ends as cancelled when its worker dies, whether it had begun or not", async () => {
      const bench = await open();
      const [first, second] = await bench.addAll([{}, {}]);
      const child = await bench.add({ after: [first ?? ""], afterFailure: "fail" });
      const workerId = await bench.worker();
      await bench.claim(workerId, { startLimit: 1 });
      await bench.cancel({ ids: [first ?? "", second ?? ""] });
      await bench.expireLease(workerId);
      const { jobs } = await bench.recover();
      expect(jobs).toMatchObject([
        { id: first, state: "failed", attempt: 1 },
        { id: second, state: "failed", attempt: 1 },
      ]);
      const told = { state: "failed", cancelled: true, reason: "enough", attempt: 0, crashes: 1 };
      const [begun, prefetched] = await bench.find([first ?? "", second ?? ""]);
      expect(begun).toMatchObject({ ...told, errors: [{ attempt: 1 }] });
      expect(prefetched).toMatchObject({ ...told, errors: [] });
      expect(await bench.state(child)).toBe("failed");
    });
  });
}

/** A job that was cancelled while a new worker runs it. */
async function cancelledWhileItRuns(
  bench: Bench,
  job: Parameters<Bench["add"]>[0] = {},
): Promise<{ readonly id: string; readonly token: number; readonly workerId: string }> {
  const id = await bench.add(job);
  const workerId = await bench.worker();
  const { token } = await bench.claimOne(workerId);
  await bench.cancel({ ids: [id] });
  return { id, token, workerId };
}
