import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { filter, firstValueFrom, ReplaySubject, timeout } from "rxjs";
import { onTestFinished } from "vitest";
import type { EventOf, WorkerEvent } from "../../src/index.ts";
import type { Said, WorkerOrder } from "./children/worker.ts";

/** Longest wait for a line of a child or for its end, in milliseconds: it starts in a second. */
const CHILD_TIMEOUT_MS = 30_000;

/** What a worker ended with. */
type Result = Extract<Said, { said: "result" }>;

/** A process of its own that runs a worker. */
export interface ChildWorker {
  /** Resolves when its worker has started. */
  readonly ready: () => Promise<unknown>;
  /** Everything that it said so far. */
  readonly lines: readonly Said[];
  /** The first event of a type that `where` holds for, past or to come. */
  event<Type extends WorkerEvent["type"]>(
    type: Type,
    where?: (event: EventOf<Type>) => boolean,
  ): Promise<EventOf<Type>>;
  /** The types of its events so far. */
  readonly types: () => readonly WorkerEvent["type"][];
  /** Resolves when `where` holds for them. */
  readonly until: (where: (types: readonly WorkerEvent["type"][]) => boolean) => Promise<void>;
  /** What its worker ended with. */
  readonly result: () => Promise<Result>;
  /** The same of each of its workers, when all have ended. */
  readonly results: (count: number) => Promise<readonly Result[]>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: () => Promise<number | NodeJS.Signals>;
  /** The lines of its logger. */
  readonly logged: () => readonly Readonly<Record<string, unknown>>[];
  /** What it wrote to stderr. */
  readonly errors: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
}

/** Starts a worker in a process of its own, and resolves when it is up. It is killed after the test. */
export async function startWorker(order: WorkerOrder): Promise<ChildWorker> {
  const worker = launchWorker(order);
  await worker.ready();
  return worker;
}

/** The same without waiting, for those that may not live so long. */
export function launchWorker(order: WorkerOrder): ChildWorker {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const program = fileURLToPath(new URL("children/worker.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", program, JSON.stringify(order)], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: Said[] = [];
  const logged: Readonly<Record<string, unknown>>[] = [];
  const said$ = new ReplaySubject<Said>();
  const end$ = new ReplaySubject<number | NodeJS.Signals>(1);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  createInterface({ input: child.stdout }).on("line", (line) => {
    const said = JSON.parse(line) as Said | Readonly<Record<string, unknown>>;
    if (!isSaid(said)) {
      logged.push(said);
      return;
    }
    lines.push(said);
    said$.next(said);
  });
  child.once("close", (code, signal) => {
    end$.next(signal ?? code ?? -1);
    said$.error(new Error(`The child ended (${signal ?? code}): ${errors}`));
  });

  const first = async <S extends Said>(is: (said: Said) => said is S): Promise<S> =>
    firstValueFrom(said$.pipe(filter(is), timeout({ first: CHILD_TIMEOUT_MS })));
  const types = (): readonly WorkerEvent["type"][] =>
    lines.flatMap((line) => (line.said === "event" ? [line.event.type] : []));
  return {
    ready: async () => first((said) => said.said === "ready"),
    lines,
    event: async <Type extends WorkerEvent["type"]>(type: Type, where = (_: EventOf<Type>) => true) => {
      type Line = { readonly said: "event"; readonly event: EventOf<Type> };
      const is = (said: Said): said is Line & Said =>
        said.said === "event" && said.event.type === type && where(said.event as EventOf<Type>);
      return (await first(is)).event;
    },
    types,
    until: async (where) => {
      await first((_said): _said is Said => where(types()));
    },
    result: async () => first(isResult),
    results: async (count) => {
      await first((said): said is Result => isResult(said) && lines.filter(isResult).length === count);
      return lines.filter(isResult);
    },
    ended: async () => firstValueFrom(end$.pipe(timeout({ first: CHILD_TIMEOUT_MS }))),
    logged: () => logged,
    errors: () => errors,
    kill: (signal) => void child.kill(signal),
  };
}

function isSaid(line: Said | Readonly<Record<string, unknown>>): line is Said {
  return "said" in line;
}

function isResult(said: Said): said is Result {
  return said.said === "result";
}
