import { execFile } from "node:child_process";

/** A user of the system, by the numbers that processes are started with. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** How a short program ended. */
export interface ProgramEnd {
  /** Whether it ran and exited with 0. */
  readonly ok: boolean;
  /** What it wrote to stdout. */
  readonly stdout: string;
  /** What it wrote to stderr, or why it could not be started. */
  readonly stderr: string;
}

/** Longest run of a lookup or a version check, in milliseconds; they take some 15 ms here. */
const TIMEOUT_MS = 30_000;

/**
 * The environment of every program of ours: English messages (some are read), no `PG*` variables
 * or library paths of the owner, UTC as the time zone that `initdb` writes down.
 */
export function programEnv(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" };
}

/**
 * Runs a short program to its end, as `user` where given. Never rejects: not being able to run it
 * is an end like any other.
 */
export function runProgram(argv: readonly [string, ...string[]], user?: SystemUser): Promise<ProgramEnd> {
  const [file, ...args] = argv;
  // The owner's working directory may be closed to the other user.
  const options = { cwd: "/", env: programEnv(), timeout: TIMEOUT_MS };
  const identity = user === undefined ? {} : { uid: user.uid, gid: user.gid };
  return new Promise((settle) => {
    try {
      execFile(file, args, { ...options, ...identity }, (error, stdout, stderr) => {
        settle({ ok: error === null, stdout, stderr: stderr || (error?.message ?? "") });
      });
    } catch (error) {
      settle({ ok: false, stdout: "", stderr: String(error) });
    }
  });
}
