import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import type { Said, WorkerOrder } from "../children/worker.ts";
import { lookForMark } from "./marked-lines.ts";
import { programOf } from "./programs.ts";
import { nowMs } from "./wait.ts";

/** How long a process may take to end after its last word, in milliseconds. */
const EXIT_MS = 3_000;

/** A process that runs a worker, or ran one. */
export interface Member {
  /** The worker's label: its place in the fleet and its life there, as `w3.1`. */
  readonly label: string;
  readonly child: ChildProcess;
  /** What it said, without what it says of every job. */
  readonly said: readonly Said[];
  /** The lines of its logger. */
  readonly logged: readonly LogLine[];
  /** Sends a signal, and notes it in the ledger. */
  readonly signal: (name: "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGTERM" | "SIGUSR2") => void;
}

/** A line of a logger. */
export interface LogLine {
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly event: string;
  /** Whether it is about a single job. */
  readonly ofJob: boolean;
}

/** A member, and its end. */
export interface Launched {
  readonly member: Member;
  /** How it ended: its code, the signal that ended it, or `hung` when it had to be helped. */
  readonly ended: Promise<string>;
  /** What it wrote to stderr. */
  readonly errors: () => string;
}

/** Starts a process that runs a worker. */
export function launchMember(
  order: WorkerOrder,
  onSignal: (name: string) => void = () => undefined,
): Launched {
  const preloads = order.clock === undefined ? [] : ["--import", programOf("wrong-clock")];
  const options = ["--expose-gc", ...preloads, programOf("worker"), JSON.stringify(order)];
  const child = spawn(process.execPath, options, {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: Said[] = [];
  const logged: LogLine[] = [];
  let errors = "";
  let helped: NodeJS.Timeout | undefined;
  let hung = false;
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stderr.once("end", () => lookForMark(errors));
  createInterface({ input: child.stdout }).on("line", (text) => {
    lookForMark(text);
    const read = readLine(text);
    if (read === undefined) return;
    if (!("said" in read)) {
      logged.push({ at: nowMs(), event: read.event ?? "", ofJob: read.jobId !== undefined });
      return;
    }
    said.push(read);
    if (read.said !== "ended") return;
    helped = setTimeout(() => {
      hung = true;
      child.kill("SIGKILL");
    }, EXIT_MS);
  });
  const ended = new Promise<string>((resolve) => {
    child.once("close", (code, signal) => {
      clearTimeout(helped);
      resolve(hung ? "hung" : (signal ?? String(code)));
    });
  });
  const signal: Member["signal"] = (name) => {
    onSignal(name);
    child.kill(name);
  };
  return { member: { label: order.label, child, said, logged, signal }, ended, errors: () => errors };
}

/** A line of a process: what it says, or a line of its logger; `undefined` is what a kill left of one. */
function readLine(text: string): Said | { readonly event?: string; readonly jobId?: string } | undefined {
  try {
    return JSON.parse(text) as Said | { readonly event?: string };
  } catch {
    return undefined;
  }
}
