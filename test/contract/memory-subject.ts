import type { MemoryStore } from "../../src/testing/index.ts";
import type { Subject } from "./bench.ts";

/**
 * The memory store as a subject of the contract.
 *
 * @param elapse Moves the clock of RxJS, which must stand still meanwhile: see `moveDate`.
 */
export function memorySubject(store: MemoryStore, elapse: (ms: number) => void): Subject {
  return {
    store,
    states: async () => {
      const jobs = store.jobs();
      const states = new Map(jobs.map(({ id, state }) => [id, state]));
      if (states.size < jobs.length) throw new Error("A job is in two states");
      return states;
    },
    expireLease: async (workerId) => store.expireLease(workerId),
    elapse: async (ms) => elapse(ms),
    completeInTransaction: async (workerId, { id, token }, kept) =>
      store.completeInTransaction(workerId, { id, token, kept }),
    close: async () => undefined,
  };
}
