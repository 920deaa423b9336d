import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { lookForMark } from "./marked-lines.ts";
import { programOf } from "./programs.ts";
import { until } from "./wait.ts";

/** A program of `chaos/children` at work. Lines of JSON go both ways. */
export interface Child<Said extends { readonly said: string }> extends AsyncDisposable {
  readonly process: ChildProcess;
  /** What it said, in lines of JSON; those of loggers are among `lines` only. */
  readonly said: readonly Said[];
  /** All that it wrote to stdout and stderr, line by line. */
  readonly lines: readonly string[];
  /** Sends it a line. */
  readonly tell: (order: unknown) => void;
  /** Resolves to the first thing of a sort that it said, or says. Rejects when it ends before. */
  readonly hear: <Type extends Said["said"]>(
    type: Type,
    timeoutMs?: number,
  ) => Promise<Extract<Said, { readonly said: Type }>>;
  /** Resolves when it has ended, to its code or the signal that ended it. */
  readonly ended: Promise<string>;
}

/**
 * Starts a program with an order, which it finds as JSON in its first argument. What it says has a
 * member `said`. Disposing it kills it.
 */
export function startChild<Said extends { readonly said: string }>(
  program: string,
  order: unknown,
  nodeArguments: readonly string[] = [],
): Child<Said> {
  const child = spawn(process.execPath, [...nodeArguments, programOf(program), JSON.stringify(order)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const said: Said[] = [];
  const lines: string[] = [];
  let how: string | undefined;
  child.stdin.on("error", () => undefined);
  const keep = (line: string): void => {
    lookForMark(line);
    lines.push(line);
  };
  createInterface({ input: child.stderr }).on("line", keep);
  createInterface({ input: child.stdout }).on("line", (line) => {
    keep(line);
    const read = readLine(line);
    if (read !== undefined) said.push(read as Said);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("close", (code, signal) => {
      how = signal ?? String(code);
      resolve(how);
    });
  });
  return {
    process: child,
    said,
    lines,
    tell: (order) => void child.stdin.write(`${JSON.stringify(order)}\n`),
    hear: <Type extends Said["said"]>(type: Type, timeoutMs = 60_000) =>
      until(
        `${program} says ${type}`,
        () => {
          const found = said.find((one) => one.said === type);
          if (found === undefined && how !== undefined)
            throw new Error(`${program} ended (${how}) without ${type}: ${lines.slice(-20).join("\n")}`);
          return found as Extract<Said, { readonly said: Type }> | undefined;
        },
        { timeoutMs, everyMs: 5 },
      ),
    ended,
    [Symbol.asyncDispose]: async () => {
      if (how === undefined) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** What a line says, or `undefined` for one of a logger, or of anything else. */
function readLine(line: string): { readonly said: string } | undefined {
  try {
    const read: unknown = JSON.parse(line);
    return typeof read === "object" && read !== null && "said" in read
      ? (read as { readonly said: string })
      : undefined;
  } catch {
    return undefined;
  }
}
