import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm, rmdir } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Layout } from "./layout.ts";
import { programEnv } from "./run-program.ts";
import type { SystemUser } from "./run-program.ts";

/**
 * The keeper: a shell that runs `initdb` and `postgres` as its children and outlives the owner just
 * long enough to stop them and to remove their files.
 *
 * It is told what to run in lines on stdin (`init`, `serve PORT`). That pipe is also how it knows
 * about its owner: it ends with the owner, however that dies, `kill -9` included. One way down
 * serves `stop()`, `process.exit()`, Ctrl-C and a crash alike, and the owner needs no signal handler.
 *
 * Why it is written as it is:
 * - a shell, as it is there on every system that these binaries run on, takes 1 MB where another
 *   Node takes 40, and runs as the server's user, who may not be able to reach `node`;
 * - INT and TERM are for the server, so the keeper ignores them, and gives TERM back to its children;
 * - the watcher sends TERM, then INT: a program that is only just starting has no handlers yet and
 *   ignores INT (shells make background programs do so) but dies of TERM; a server takes TERM as
 *   "no new clients" and INT as "now" (fast shutdown); `initdb` takes both as "remove what was made";
 * - after the program ended the watcher must not read the next command, so it is killed and awaited
 *   before the end is told.
 */
const KEEPER_SCRIPT = `
exec 3<&0 </dev/null
trap '' HUP INT TERM
umask 077
bin=$1 run=$2 init=$3 cluster=$4 doomed=$5 sync=$6
shift 6

keep() {
  ( trap - HUP TERM; exec "$@" ) >"$run/log" 2>&1 3<&- &
  child=$!
  echo "running $child" >"$run/state"
  ( read -r _ <&3; kill -TERM "$child"; kill -INT "$child" ) &
  watcher=$!
  wait "$child"
  status=$?
  kill -KILL "$watcher"
  wait "$watcher"
  echo "ended $status" >"$run/state"
}

while read -r verb port <&3; do
  case $verb in
    init) keep "$bin/initdb" --pgdata="$init" --username=postgres --pwfile="$run/password" \\
      --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-instructions \${sync:+"$sync"} ;;
    serve) keep "$bin/postgres" -D "$cluster" -p "$port" "$@" ;;
  esac
done
rm -rf -- "$run" "$init" \${doomed:+"$doomed"}
`;

/** What the keeper's present or last program is doing. */
export type ProgramState =
  | { readonly type: "starting" }
  | { readonly type: "running"; readonly pid: number }
  | { readonly type: "ended"; readonly status: number };

/** The owner's end of the keeper. */
export interface Keeper {
  /** Runs `initdb`, or the server on a port. Only when no program runs. */
  readonly send: (command: "init" | `serve ${number}`) => Promise<void>;
  /** How the program of the last command does. Rejects when the keeper itself is gone. */
  readonly state: () => Promise<ProgramState>;
  /** What the program of the last command wrote. */
  readonly log: () => Promise<string>;
  /** Lets the owner's process end while the server runs. */
  readonly unref: () => void;
  /**
   * Stops what runs, removes the files, and resolves when nothing is left. More calls wait for the
   * same end. Rejects when the keeper itself was killed, which leaves its files.
   */
  readonly stop: () => Promise<void>;
}

/** What a keeper is started with. */
export interface KeeperPlan {
  readonly layout: Layout;
  /** The directory of `initdb` and `postgres`. */
  readonly binDir: string;
  readonly user: SystemUser | undefined;
  /** Arguments of `postgres` besides the data directory and the port. */
  readonly serverArgs: readonly string[];
}

/**
 * Starts a keeper. From here on its files are removed whatever happens to the owner, so it comes
 * before the first of them is made.
 *
 * @throws Error of `child_process.spawn` when there is no `/bin/sh` or the user may not be taken on.
 */
export async function spawnKeeper({ layout, binDir, user, serverArgs }: KeeperPlan): Promise<Keeper> {
  const { runDir, initDir, clusterDir, doomedDir } = layout;
  const sync = doomedDir === undefined ? "" : "--no-sync";
  const paths = [binDir, runDir, initDir, clusterDir, doomedDir ?? "", sync];
  const child = spawn("/bin/sh", ["-c", KEEPER_SCRIPT, "millrace-keeper", ...paths, ...serverArgs], {
    // A session of its own, which the Ctrl-C of a terminal does not reach.
    detached: true,
    cwd: "/",
    env: programEnv(),
    stdio: ["pipe", "ignore", "ignore"],
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  });
  // Its exit tells more than a failed write to it.
  child.stdin.on("error", () => {});
  const gone = new Promise<void>((settle) => child.once("exit", () => settle()));
  await once(child, "spawn");

  const end = async (): Promise<void> => {
    child.ref();
    child.stdin.end();
    await gone;
    if (child.signalCode !== null) {
      throw new Error(`${KEEPER_ENDED} by ${child.signalCode}: its files stay, and maybe its server`);
    }
    // A keeper that runs as another user empties its directories but cannot always remove them.
    for (const dir of [runDir, initDir]) await rm(dir, { recursive: true, force: true, maxRetries: 10 });
    if (doomedDir !== undefined) await rmdir(doomedDir).catch(() => {});
  };
  let stopped: Promise<void> | undefined;
  const stateFile = join(runDir, "state");
  return {
    send: async (command) => {
      await rm(stateFile, { force: true });
      child.stdin.write(`${command}\n`);
    },
    state: async () => {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`${KEEPER_ENDED} by ${child.signalCode ?? `exit code ${child.exitCode}`}`);
      }
      return parseState(await readFile(stateFile, "utf8").catch(() => ""));
    },
    log: () => readFile(join(runDir, "log"), "utf8").catch(() => ""),
    unref: () => {
      child.unref();
      if (child.stdin instanceof Socket) child.stdin.unref();
    },
    // Once: the second time the directory may already be another server's.
    stop: () => (stopped ??= end()),
  };
}

const KEEPER_ENDED = "The shell that keeps the embedded Postgres was ended";

function parseState(text: string): ProgramState {
  const [, word, number] = /^(running|ended) (\d+)\n/.exec(text) ?? [];
  if (word === "running") return { type: "running", pid: Number(number) };
  if (word === "ended") return { type: "ended", status: Number(number) };
  return { type: "starting" };
}
