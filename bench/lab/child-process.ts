import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Answer, Orders } from "../child/orders.ts";
import type { SystemName } from "../systems/names.ts";
import type { Target } from "../systems/system.ts";

/** A running child. */
export interface Child {
  /** Gives an order, and resolves to its answer. Rejects when the child fails at it, or ends. */
  readonly ask: <Name extends keyof Orders>(
    order: Name,
    asked: Orders[Name]["asked"],
  ) => Promise<Orders[Name]["answer"]>;
  /** Closes the system and ends the child. Resolves to how it ended, where that was not as it should. */
  readonly end: () => Promise<string | undefined>;
}

/** How children are started. */
export interface ChildSettings {
  /** The program of Node. */
  readonly node: string;
  /** Where each child leaves a profile named after its system and process; `undefined` for none. */
  readonly profileDir: string | undefined;
}

/** How long a child may take to close its system, in milliseconds, before it is killed. */
const END_TIMEOUT_MS = 10_000;

/** How many lines of its last complaint are told when a child has ended by itself. */
const LAST_LINES = 12;

const PROGRAM = fileURLToPath(new URL("../child.ts", import.meta.url));

/** Starts a child with a system in it. */
export function startChild(settings: ChildSettings, system: SystemName, target: Target): Child {
  const { profileDir } = settings;
  const profile =
    profileDir === undefined
      ? []
      : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`, `--cpu-prof-name=${system}-\${pid}.cpuprofile`];
  const args = [...profile, "--expose-gc", PROGRAM, JSON.stringify(system), JSON.stringify(target)];
  const child = spawn(settings.node, args, { stdio: ["pipe", "pipe", "pipe"] });
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  const waiting = new Map<number, (answer: Omit<Answer, "id">) => void>();
  const lastLines: string[] = [];
  let ids = 0;
  let ended: string | undefined;

  createInterface({ input: child.stderr }).on("line", (line) => {
    process.stderr.write(`${line}\n`);
    lastLines.push(line);
    if (lastLines.length > LAST_LINES) lastLines.shift();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    // A library may write there as well.
    if (!line.startsWith('{"id":')) return;
    const { id, ...answer } = JSON.parse(line) as Answer;
    waiting.get(id)?.(answer);
    waiting.delete(id);
  });
  // Later than its exit: all that it wrote has been read by then.
  const closed = once(child, "close").then(([code, signal]: (number | string | null)[]) => {
    process.off("exit", kill);
    ended = [`The child with ${system} ended with ${code ?? signal}`, ...lastLines].join("\n");
    for (const answered of waiting.values()) answered({ error: ended });
    return code === 0 ? undefined : ended;
  });
  child.stdin.on("error", () => undefined);

  return {
    ask: (order, asked) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) {
          reject(new Error(ended));
          return;
        }
        const id = ids++;
        waiting.set(id, ({ answer, error }) => {
          if (error === undefined) resolve(answer as never);
          else reject(new Error(error));
        });
        child.stdin.write(`${JSON.stringify({ id, order, asked })}\n`);
      }),
    end: async () => {
      child.stdin.end();
      const timer = setTimeout(kill, END_TIMEOUT_MS);
      const complaint = await closed;
      clearTimeout(timer);
      return complaint;
    },
  };
}
