import type { ChildProcess } from "node:child_process";
import type { WorkerEvent, WorkerSettings } from "../../src/index.ts";
import type { Said, WorkerOrder } from "../children/worker.ts";
import type { ChaosDatabase } from "./database.ts";
import { launchMember } from "./member.ts";
import type { Member } from "./member.ts";
import type { Figures } from "./figures.ts";
import { until } from "./wait.ts";

/** What a fleet is made of. */
export interface FleetPlan {
  readonly size: number;
  readonly worker: WorkerSettings;
  /** What the labels of its workers begin with. Default `w`. */
  readonly name?: string;
  /** Where the workers connect; default: to the database directly. */
  readonly connectionString?: string;
  readonly order?: Partial<WorkerOrder>;
  /** What the order of one place says besides. */
  readonly orderOf?: (place: number) => Partial<WorkerOrder>;
  /** Whether the jobs of this test end their processes. Default: nobody but the board may. */
  readonly mayDie?: boolean;
}

/** Worker processes, each of which is replaced when it ends. */
export interface Fleet extends AsyncDisposable {
  /** Those that run, by their place. */
  readonly members: () => readonly Member[];
  /** All that ever ran. */
  readonly all: readonly Member[];
  /** All events of all of them so far, with their moments. */
  readonly events: () => readonly { readonly at: number; readonly event: WorkerEvent }[];
  /** Resolves when the worker of each place has started. */
  readonly ready: () => Promise<void>;
  /** Resolves to the worker of a place when one has started there that nobody has killed. */
  readonly alive: (place: number) => Promise<Member>;
  /** Drains all workers, once each has started, and resolves when their processes have ended. */
  readonly stop: () => Promise<void>;
  /** How long a statement of the library took at most, once all have ended. */
  readonly slowestQueryMs: () => number;
  /** The same of the connections for heartbeats. */
  readonly slowestBeatMs: () => number;
  /** How long the library waited for a connection of its pools at most. */
  readonly slowestConnectMs: () => number;
  /** By how much the heap of a worker grew at most, from the first time it was weighed to the last. */
  readonly heapGrowth: () => number;
  /**
   * Exits that nobody asked for, with those of workers that were drained and did not end with their last
   * word and code 0; and handles that were left when a worker had ended.
   */
  readonly figures: () => Figures;
}

/** When so many have ended unexpectedly, the fleet is given up. */
const MAX_UNEXPECTED = 5;

/** How long the workers may take to drain; then they are killed, which nobody asked for. */
const STOP_MS = 60_000;

/** Starts the processes; see `ready`. Disposing it kills them. */
export function startFleet(database: ChaosDatabase, plan: FleetPlan): Fleet {
  const places: Member[] = [];
  const all: Member[] = [];
  const told = new Map<ChildProcess, "SIGKILL" | "SIGTERM">();
  const ends: Promise<void>[] = [];
  let closing = false;
  let unexpectedExits = 0;
  let handlesLeft = 0;

  const launch = (place: number, life: number): void => {
    const label = `${plan.name ?? "w"}${place}.${life}`;
    const order: WorkerOrder = {
      connectionString: plan.connectionString ?? database.connectionString,
      notes: database.ledger.file,
      label,
      worker: plan.worker,
      ...plan.order,
      ...plan.orderOf?.(place),
    };
    const { member, ended, errors } = launchMember(order, (signal) => {
      const isKilled = told.get(member.child) === "SIGKILL";
      if (signal === "SIGKILL" || (signal === "SIGTERM" && !isKilled)) told.set(member.child, signal);
      if (signal !== "SIGTERM") database.ledger.fault(signal, label);
    });
    places[place] = member;
    all.push(member);
    const end = async (): Promise<void> => {
      const how = await ended;
      const last = member.said.findLast((said) => said.said === "ended");
      const left = [...(last?.handles ?? []), ...(how === "hung" ? ["what kept it from ending"] : [])];
      handlesLeft += left.length;
      if (left.length > 0) process.stderr.write(`${label} left ${left.join(", ")}\n`);
      const signal = told.get(member.child);
      const isWanted = signal === undefined ? plan.mayDie === true : obeys(signal, how, last !== undefined);
      if (!isWanted) {
        unexpectedExits += 1;
        process.stderr.write(`${label} ended unexpectedly (${how}): ${errors().slice(-2_000)}\n`);
      }
      if (!closing && unexpectedExits < MAX_UNEXPECTED) launch(place, life + 1);
    };
    ends.push(end());
  };
  for (let place = 0; place < plan.size; place += 1) launch(place, 1);

  const stop = async (): Promise<void> => {
    closing = true;
    // Before that a process knows nothing of signals, and would die of this one.
    for (const member of places) await until(`${member.label} starts`, () => startedOrEnded(member));
    for (const { signal } of places) signal("SIGTERM");
    const patience = setTimeout(() => {
      for (const { child } of places) child.kill("SIGKILL");
    }, STOP_MS);
    await Promise.all(ends);
    clearTimeout(patience);
  };
  const lastWords = () => all.flatMap(({ said }) => said.filter((one) => one.said === "ended"));
  return {
    members: () => [...places],
    all,
    events: () => all.flatMap(({ said }) => said.filter((one) => one.said === "event")),
    ready: async () => {
      for (const { label, said } of places)
        await until(`${label} starts`, () => (said.some((one) => one.said === "ready") ? true : undefined));
    },
    alive: (place) => until(`a worker lives at place ${place}`, () => aliveOf(places[place], told)),
    stop,
    slowestQueryMs: () => Math.max(...lastWords().map(({ slowestQueryMs }) => slowestQueryMs)),
    slowestBeatMs: () => Math.max(...lastWords().map(({ slowestBeatMs }) => slowestBeatMs)),
    slowestConnectMs: () => Math.max(...lastWords().map(({ slowestConnectMs }) => slowestConnectMs)),
    heapGrowth: () => Math.max(...all.map(({ said }) => growthOf(said))),
    figures: () => ({ unexpectedExits, handlesLeft }),
    [Symbol.asyncDispose]: async () => {
      closing = true;
      for (const { child } of places) {
        told.set(child, "SIGKILL");
        child.kill("SIGKILL");
      }
      await Promise.all(ends);
    },
  };
}

/** Whether a process ended as it was told to. One that hung is counted among the handles. */
function obeys(signal: "SIGKILL" | "SIGTERM", how: string, saidSo: boolean): boolean {
  return signal === "SIGKILL" || (saidSo && (how === "0" || how === "hung"));
}

function startedOrEnded({ said, child }: Member): true | undefined {
  const isOver = child.exitCode !== null || child.signalCode !== null;
  return isOver || said.some((one) => one.said === "ready") ? true : undefined;
}

function aliveOf(
  member: Member | undefined,
  told: ReadonlyMap<ChildProcess, "SIGKILL" | "SIGTERM">,
): Member | undefined {
  if (member === undefined || told.get(member.child) === "SIGKILL") return undefined;
  return member.said.some((one) => one.said === "ready") ? member : undefined;
}

function growthOf(said: readonly Said[]): number {
  const weights = said.filter((one) => one.said === "heap").map(({ bytes }) => bytes);
  return (weights.at(-1) ?? Infinity) - (weights[0] ?? 0);
}
