import { memoryStore } from "../../src/testing/index.ts";
import type { Action } from "./actions.ts";
import { bench } from "./bench.ts";
import type { Setup } from "./bench.ts";
import { memorySubject } from "./memory-subject.ts";
import { finish, newWorld, perform } from "./perform.ts";
import type { World } from "./perform.ts";

/** What a store is compared by. */
export interface Comparing {
  /** Makes an empty store whose first job has the id `firstId`. */
  readonly setup: Setup;
  /** Moves the clock of the model, which stands still otherwise. */
  readonly elapse: (ms: number) => void;
  /** Throws where the two are not the same; members that are `undefined` count as not there. */
  readonly same: (got: readonly unknown[], wanted: readonly unknown[]) => void;
}

/**
 * Calls a store and the memory store in the same order, and compares what they answer, the states of
 * all jobs and what is told of them after each call. At last all jobs must be able to end.
 */
export async function compare(list: readonly Action[], { setup, elapse, same }: Comparing): Promise<void> {
  const subject = await setup({ firstId: "1" });
  try {
    const real = newWorld(bench(subject));
    const model = newWorld(bench(memorySubject(memoryStore(), elapse)));
    for (const [index, action] of list.entries()) {
      const call = `call ${index}, ${action.type}`;
      same([call, ...(await perform(real, action))], [call, ...(await perform(model, action))]);
      same([call, ...(await seen(real))], [call, ...(await seen(model))]);
    }
    await finish(real);
  } finally {
    await subject.close();
  }
}

/** All that can be seen from outside. */
async function seen(world: World): Promise<readonly unknown[]> {
  return (await Promise.all([standing(world), told(world)])).flat();
}

/** The state of each job, in the order of ids. */
async function standing({ bench: on }: World): Promise<readonly string[]> {
  const states = [...(await on.states())].map(([id, state]) => `${id} ${state}`);
  return states.toSorted();
}

/** What is told of all jobs, but for moments and for words of the store's own. */
async function told({ bench: on, ids }: World): Promise<readonly unknown[]> {
  const [depth, jobs] = await Promise.all([on.depth(), on.find(ids)]);
  return [
    ...depth.map(({ queue, state, count }) => `${queue} ${state} ${count}`).toSorted(),
    ...jobs.map(
      ({ enqueuedAt: _enqueuedAt, runAt: _runAt, claimedAt, endedAt, reason, errors, ...rest }) => ({
        ...rest,
        ended: endedAt !== undefined,
        held: claimedAt !== undefined,
        reason: rest.cancelled || rest.state === "claimed" ? reason : undefined,
        errors: errors.map(({ name, attempt }) => `${name} ${attempt}`),
      }),
    ),
  ];
}
