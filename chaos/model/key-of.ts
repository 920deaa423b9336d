import type { MemoryJob } from "../../src/testing/index.ts";
import type { World } from "./lease-protocol.ts";

/**
 * A text that is the same for states from which the same can follow: the names of workers and jobs do
 * not count, nor does what is left of claims that do not stand, for all may be tried at any time.
 */
export function keyOf(world: World): string {
  const ids = world.jobs.filter(({ id }) => !world.over.has(id)).map(({ id }) => id);
  return [keyIn(ids, world), keyIn([...ids].reverse(), world)].sort()[0] ?? "";
}

/** The text where the jobs have these names, in this order. */
function keyIn(ids: readonly string[], { jobs, places, holders, expired }: World): string {
  const ofPlaces = places.map((workerId) => {
    const lease = workerId === undefined ? "none" : expired.has(workerId) ? "out" : "stands";
    const held = ids.map((id) =>
      workerId !== undefined && holders.get(id)?.workerId === workerId ? "h" : "-",
    );
    return `${lease}${held.join("")}`;
  });
  const ofJobs = ids.map((id) => {
    const job = jobs.find((one) => one.id === id);
    return job === undefined ? "" : textOf(job, holders.get(id)?.begun === true);
  });
  return [...ofPlaces.sort(), ...ofJobs].join("|");
}

function textOf({ state, attempt, token, crashes, started }: MemoryJob, begun: boolean): string {
  return `${state} ${attempt} ${token} ${crashes > 0} ${started} ${begun}`;
}
