import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { TRANSITIONS } from "../../src/core/job.ts";
import type { JobState } from "../../src/core/job.ts";
import type { Place } from "../../src/core/store-calls.ts";
import { memoryStore } from "../../src/testing/index.ts";
import type { MemoryJob, MemoryStore } from "../../src/testing/index.ts";
import { actions } from "./actions.ts";
import type { Action } from "./actions.ts";
import { bench } from "./bench.ts";
import { memorySubject } from "./memory-subject.ts";
import { moveDate } from "./move-date.ts";
import { finish, latest, newWorld, perform, pick, placeOf } from "./perform.ts";
import type { Answer, World } from "./perform.ts";

/** Which causes of `TRANSITIONS` each call may bring about. */
const CAUSES: Record<Action["type"], readonly string[]> = {
  enqueue: ["enqueue"],
  register: [],
  heartbeat: [],
  unregister: [],
  expire: [],
  elapse: [],
  recover: ["recover", "parents done", "parent failed"],
  promote: ["promote"],
  claim: ["claim"],
  settle: ["succeed", "retry", "snooze", "release", "fail", "cancel", "parents done", "parent failed"],
  release: ["release", "cancel", "parents done", "parent failed"],
  complete: ["succeed", "parents done"],
  retryJob: ["retryJob"],
  bulkRetry: ["retryJob"],
  deleteFailed: ["deleteFailed", "parents done"],
  progress: [],
  cancel: ["cancel", "parents done", "parent failed"],
  cancelAll: ["cancel", "parents done", "parent failed"],
  expireResults: ["expire"],
  expireFailed: ["deleteFailed"],
};

/** How many lists of calls each law is held against. */
const NUM_RUNS = 25;

type Snapshot = ReadonlyMap<string, MemoryJob>;

/** One action on the way, with the rows before and after it. */
interface Step {
  readonly action: Action;
  readonly answer: Answer;
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly world: World;
}

// Many runs each, which take long on a busy machine.
describe("memoryStore, whatever is called in whatever order", { timeout: 60_000 }, () => {
  it("keeps each job in one state at most", async () => {
    await always((_, store) => {
      const ids = store.jobs().map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
    });
  });

  it("changes states only as TRANSITIONS says, by the calls that may", async () => {
    await always(({ action, before, after }) => {
      for (const id of new Set([...before.keys(), ...after.keys()])) {
        const [from, to] = [before.get(id)?.state, after.get(id)?.state];
        if (from !== to) expect(allowed(action, from, to)).toBe(`${from} to ${to}`);
      }
    });
  });

  it("goes through every change that TRANSITIONS names", async () => {
    const seen = new Set<string>();
    for (const list of fc.sample(actions, { numRuns: 25, seed: 1 })) {
      await run(list, ({ before, after }) => {
        for (const id of new Set([...before.keys(), ...after.keys()])) {
          seen.add(`${before.get(id)?.state} to ${after.get(id)?.state}`);
        }
      });
    }
    const named = TRANSITIONS.map(({ from, to }) => `${from} to ${to}`);
    expect(named.filter((change) => !seen.has(change))).toEqual([]);
  });

  it("hands out tokens that strictly grow for each job", async () => {
    await always(({ world, before, after }) => {
      const last = new Map<string, number>();
      for (const { id, token } of world.claims) {
        expect(token).toBeGreaterThan(last.get(id) ?? 0);
        last.set(id, token);
      }
      for (const [id, { token }] of after) {
        expect(token).toBeGreaterThanOrEqual(before.get(id)?.token ?? 0);
      }
    });
  });

  it("accepts an outcome exactly when its claim stands", async () => {
    await always(({ action, answer, before, world }) => {
      if (action.type !== "settle" && action.type !== "release") return;
      const named = action.type === "settle" ? action.ended.map(({ claim }) => claim) : action.claims;
      const workerId = latest(world.workerIds, action.worker);
      const standing = pick(world.claims, named).filter(({ id, token }) => {
        const row = before.get(id);
        return row?.state === "claimed" && row.workerId === workerId && row.token === token;
      });
      const accepted = answer.slice(0, answer.includes("ready") ? answer.indexOf("ready") : undefined);
      expect(accepted).toEqual(standing.map(({ id }) => id).sort());
    });
  });

  it("accepts one end of each claim, and one final outcome of each job", async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (list) => {
        const finals = new Map<string, number>();
        const ends = new Set<string>();
        await run(list, ({ action, before, after }) => {
          for (const [id, row] of before) {
            const now = after.get(id);
            if (row.state === "failed" && now?.state === "pending") finals.delete(id);
            if (row.state !== "claimed" || now?.state === "claimed") continue;
            expect(ends).not.toContain(`${id} ${row.token}`);
            ends.add(`${id} ${row.token}`);
            if (action.type === "recover" && now?.state === "pending") continue;
            if (now === undefined || now.state === "failed" || now.state === "completed")
              finals.set(id, (finals.get(id) ?? 0) + 1);
          }
          for (const count of finals.values()) expect(count).toBe(1);
        });
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it("never loses a job: it goes only by success or by deletion", async () => {
    await always(({ action, before, after }) => {
      for (const [id, row] of before) {
        if (after.has(id)) continue;
        if (action.type === "deleteFailed" || action.type === "expireFailed")
          expect(row.state).toBe("failed");
        else if (action.type === "expireResults") expect(row.state).toBe("completed");
        else
          expect([action.type, row.state]).toEqual([
            expect.stringMatching(/^(settle|complete)$/u),
            "claimed",
          ]);
      }
    });
  });

  it("keeps the progress of a job while it goes on, and until somebody retries it", async () => {
    await always(({ action, before, after }) => {
      for (const [id, row] of before) {
        const now = after.get(id);
        if (now === undefined || row.lastProgress === now.lastProgress) continue;
        if (row.state === "failed") expect(now).toMatchObject({ state: "pending", lastProgress: undefined });
        else
          expect([action.type, row.state]).toEqual([
            expect.stringMatching(/^(progress|settle)$/u),
            "claimed",
          ]);
      }
    });
  });

  it("keeps results and marks of cancellation only where they belong", async () => {
    await always(({ after }) => {
      for (const { state, result, cancelled, reason } of after.values()) {
        expect(result !== undefined).toBe(state === "completed");
        if (cancelled) expect(state).toBe("failed");
        if (reason !== undefined) expect(["failed", "claimed"]).toContain(state);
      }
    });
  });

  it("ends at once what is cancelled and not held, and what is held not at all", async () => {
    await always(({ action, before, after, world }) => {
      if (action.type !== "cancel") return;
      for (const id of pick(world.ids, action.jobs)) {
        const row = before.get(id);
        const open = row !== undefined && row.state !== "failed" && row.state !== "completed";
        if (!open) expect(after.get(id)).toEqual(row);
        else if (row.state === "claimed")
          expect(after.get(id)).toEqual({ ...row, reason: row.reason ?? "enough" });
        else expect(after.get(id)).toMatchObject({ state: "failed", cancelled: true, reason: "enough" });
      }
    });
  });

  it("lets a job wait only for jobs that are there, and for failed ones only when it says so", async () => {
    await always(({ after }) => {
      for (const { state, waitsFor, afterFailure } of after.values()) {
        expect(waitsFor.length > 0).toBe(state === "waiting");
        const failed = waitsFor.some((parent) => after.get(parent)?.state === "failed");
        if (failed) expect(afterFailure).toBe("wait");
        for (const parent of waitsFor) {
          expect([undefined, "completed"]).not.toContain(after.get(parent)?.state);
        }
      }
    });
  });

  it("recovers exactly the claims of dead workers, and charges of what had begun the worst suspect", async () => {
    await always(({ action, before, after, world }) => {
      if (action.type !== "recover") return;
      for (const [id, row] of before) {
        if (row.state !== "claimed") continue;
        if (!world.dead.has(row.workerId ?? "")) {
          expect(after.get(id)).toEqual(row);
          continue;
        }
        const { maxAttempts, reason } = row;
        const cancelled = reason !== undefined;
        const begun = [...before.values()].filter((one) => one.started && one.workerId === row.workerId);
        const worst = Math.max(...begun.map(({ crashes }) => crashes));
        const worstAlone = begun.filter(({ crashes }) => crashes === worst).length === 1;
        const isSure = worstAlone || worst > 1;
        const charged = row.started && (maxAttempts === 1 || (isSure && row.crashes === worst));
        expect(after.get(id)).toMatchObject({
          state: cancelled || (charged && row.attempt >= maxAttempts) ? "failed" : "pending",
          attempt: charged && !cancelled ? row.attempt : row.attempt - 1,
          crashes: row.crashes + 1,
          cancelled,
        });
      }
    });
  });

  it("leaves pending what was not claimed: a claim takes the first in order", async () => {
    await always(({ action, before, after, world }) => {
      if (action.type !== "claim") return;
      const mark = placeOf(world, action) ?? { priority: -2, id: "0" };
      const waiting = [...before.values()]
        .filter(({ state }) => state === "pending")
        .filter(({ queue, kind }) => queue === action.queue && action.kinds.includes(kind))
        .filter((row) => row.crashes > 0 || byPlace(row, mark) > 0)
        .sort(byPlace);
      const takenOf = (isOfThese: (crashes: number) => boolean): number => {
        const taken = waiting
          .filter(({ crashes }) => isOfThese(crashes))
          .map(({ id }) => after.get(id)?.state === "claimed");
        expect(taken).toEqual(taken.toSorted((a, b) => Number(b) - Number(a)));
        return taken.filter(Boolean).length;
      };
      const [suspects, crashed, fresh] = [
        takenOf((n) => n > 1),
        takenOf((n) => n === 1),
        takenOf((n) => n === 0),
      ];
      expect(suspects).toBeLessThanOrEqual(1);
      expect(suspects + crashed).toBeLessThanOrEqual(Math.max(1, action.startLimit));
      expect(suspects + crashed + fresh).toBeLessThanOrEqual(action.limit);
    });
  });

  it("lets a worker hold one suspect at most", async () => {
    await always(({ after }) => {
      const holders = [...after.values()]
        .filter(({ state, crashes }) => state === "claimed" && crashes > 1)
        .map(({ workerId }) => workerId);
      expect(new Set(holders).size).toBe(holders.length);
    });
  });

  it("counts no more attempts than claims, and an error only for what was counted", async () => {
    await always(({ after }) => {
      for (const { attempt, token, crashes, errors } of after.values()) {
        expect(attempt).toBeGreaterThanOrEqual(0);
        expect(attempt).toBeLessThanOrEqual(token);
        expect(crashes).toBeLessThanOrEqual(token);
        expect(errors.length).toBeLessThanOrEqual(token);
      }
    });
  });

  it("leaves claims with workers that exist", async () => {
    await always(({ after }) => {
      for (const { state, claimedBy } of after.values()) {
        if (state === "claimed") expect(claimedBy).toBe("miller");
      }
    });
  });

  it("can bring every job to its end", async () => {
    await fc.assert(
      fc.asyncProperty(actions, (list) => run(list, () => undefined, finish)),
      { numRuns: NUM_RUNS },
    );
  });
});

async function always(law: (step: Step, store: MemoryStore) => void): Promise<void> {
  await fc.assert(
    fc.asyncProperty(actions, (list) => run(list, law)),
    { numRuns: NUM_RUNS },
  );
}

async function run(
  list: readonly Action[],
  law: (step: Step, store: MemoryStore) => void,
  then: (world: World) => Promise<void> = async () => undefined,
): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date"] });
  const store = memoryStore();
  const world = newWorld(bench(memorySubject(store, moveDate)));
  try {
    let before = snapshot(store);
    for (const action of list) {
      // The world as the action found it: the claims that it hands out are not yet there.
      const found = { ...world, claims: [...world.claims], workerIds: [...world.workerIds] };
      const answer = await perform(world, action);
      const after = snapshot(store);
      law({ action, answer, before, after, world: found }, store);
      before = after;
    }
    await then(world);
  } finally {
    vi.useRealTimers();
  }
}

function byPlace(a: Place, b: Place): number {
  return a.priority - b.priority || Number(a.id) - Number(b.id);
}

function snapshot(store: MemoryStore): Snapshot {
  return new Map(store.jobs().map((job) => [job.id, job]));
}

function allowed(action: Action, from: JobState | undefined, to: JobState | undefined): string {
  const found = TRANSITIONS.some(
    (one) => one.from === from && one.to === to && CAUSES[action.type].includes(one.by),
  );
  return found ? `${from} to ${to}` : `nothing like ${from} to ${to} by ${action.type}`;
}
