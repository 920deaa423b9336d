import { readFile, readdir } from "node:fs/promises";

/** The unit of times in `/proc`: Linux has kept it at 100 a second for decades. */
const TICK_US = 10_000;

/**
 * Microseconds of processor time that a server has used so far: its own, that of its processes, and
 * that of processes of it that ended. `undefined` where there is no `/proc`.
 */
export async function serverCpuUs(pid: number): Promise<number | undefined> {
  if (process.platform !== "linux") return undefined;
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map(statOf));
  const own = all.filter((stat) => stat !== undefined && (stat.pid === pid || stat.parent === pid));
  return own.reduce(
    (sum, stat) => sum + (stat?.pid === pid ? stat.ownUs + stat.endedUs : (stat?.ownUs ?? 0)),
    0,
  );
}

/** The process that started `pid`. */
export async function parentOf(pid: number): Promise<number | undefined> {
  return (await statOf(String(pid)))?.parent;
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly ownUs: number;
  /** Of children that ended and were waited for. */
  readonly endedUs: number;
}

/** Reads `/proc/<pid>/stat`: its second field is a name in brackets that may hold anything. */
async function statOf(pid: string): Promise<Stat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [, parent, , , , , , , , , , user, system, endedUser, endedSystem] = fields;
  if (parent === undefined || endedSystem === undefined) return undefined;
  return {
    pid: Number(pid),
    parent,
    ownUs: (Number(user) + Number(system)) * TICK_US,
    endedUs: (Number(endedUser) + endedSystem) * TICK_US,
  };
}
