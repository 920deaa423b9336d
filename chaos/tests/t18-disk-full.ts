import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { chmod, chown, mkdir, open, rm, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inClient, openDatabase } from "../harness/database.ts";
import type { ChaosDatabase } from "../harness/database.ts";
import { atLeast, atMost, is } from "../harness/figures.ts";
import type { Figures } from "../harness/figures.ts";
import { startFleet } from "../harness/fleet.ts";
import { SOUND } from "../harness/sound.ts";
import type { ChaosTest } from "../harness/test.ts";
import { nowMs, sleep } from "../harness/wait.ts";

const DISK = "96m";
const FULL_MS = 10_000;

/** Larger than what pages with room can take for long. */
const TEXT = "x".repeat(1_500);

/** Calls that enqueue while the disk is full. */
const CALLS_EVERY_MS = 50;

/** What a worker reports of the outcomes that it could not write, and how late it wrote the last of them. */
const SETTLES_SQL = `
select (select count(*) from chaos.told t where t.type = 'lease-lost')::int as "leasesLost",
       (select count(*) from chaos.told t where t.type = 'done' and t.at between to_timestamp($1::float8 / 1000)
           and to_timestamp($2::float8 / 1000))::int as "doneWhileFull",
       (select coalesce(max(date_part('epoch', h.at) * 1000), 0) - $2 from chaos.told t
          join chaos.history h on h.job = t.job and h.attempt = t.attempt and h.what = 'ended'
         where t.type = 'done' and t.at between to_timestamp($1 / 1000) and to_timestamp($2 / 1000)) as "lastSettleMs"`;

/**
 * The disk under the tables is full: whatever needs one more page is refused, the ends of jobs and the
 * renewals of leases too. The log of the server stands on another disk: without room for that, it stops,
 * which is what T03 does.
 */
export const t18: ChaosTest = {
  id: "T18",
  title: "the disk under the tables full for 10 s",
  ci: false,
  needsOwnServer: true,
  obstacle: cannotMount,
  run: async ({ size, server: startServer }) => {
    const fullMs = size(FULL_MS);
    // First, for the server needs it until it has ended.
    await using disk = await smallDisk();
    await using server = await startServer();
    await moveOnto(disk, server.connectionString);
    await using database = await openDatabase(server.connectionString);
    await using fleet = startFleet(database, {
      size: 3,
      worker: { leaseDurationMs: 3 * FULL_MS, concurrency: 10 },
    });
    await fleet.ready();
    // These end while it is full.
    await database.enqueue(30, (n) => ({
      deed: n % 3 === 0 ? "return" : "transaction",
      ms: 1_000 + 200 * n,
    }));
    await sleep(500);
    const fullAt = nowMs();
    await disk.fill();
    const calls = await enqueueing(database, fullMs);
    await disk.free();
    const freeAt = nowMs();
    await database.enqueue(200, () => ({ deed: "transaction" }));
    await database.allDone();
    await fleet.stop();
    const audit = await database.audit();
    const { rows } = await database.pool.query<Record<string, number>>(SETTLES_SQL, [fullAt, freeAt]);
    const failedSettles = fleet.events().filter(({ event }) => event.type === "settle-failed").length;
    return {
      figures: { fullMs: freeAt - fullAt, ...calls, failedSettles, ...rows[0], ...audit, ...fleet.figures() },
      rules: {
        ...SOUND,
        refused: atLeast(1),
        unclear: is(0),
        slowestCallMs: atMost(2_000),
        failedSettles: atLeast(1),
        doneWhileFull: atLeast(1),
        lastSettleMs: atMost(5_000),
        leasesLost: is(0),
      },
    };
  },
};

/** Enqueues one by one; counts the refusals, and among them those that do not tell of the disk. */
async function enqueueing({ connectionString, ledger }: ChaosDatabase, ms: number): Promise<Figures> {
  let [accepted, refused, unclear, slowestCallMs] = [0, 0, 0, 0];
  const endsAt = performance.now() + ms;
  await inClient(connectionString, async (client) => {
    while (performance.now() < endsAt) {
      const calledAt = performance.now();
      try {
        const work = { deed: "transaction", filler: TEXT } as const;
        ledger.enqueued(await client.enqueue("work", work, { maxAttempts: 100 }), "transaction");
        accepted += 1;
      } catch (error) {
        refused += 1;
        if (!isDiskFull(error)) unclear += 1;
      }
      slowestCallMs = Math.max(slowestCallMs, performance.now() - calledAt);
      await sleep(CALLS_EVERY_MS);
    }
  });
  return { accepted, refused, unclear, slowestCallMs };
}

function isDiskFull(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    error.code === "53100" &&
    error.message.includes("No space left on device")
  );
}

/** A disk of its own for the tables. */
interface Disk extends AsyncDisposable {
  readonly folder: string;
  readonly fill: () => Promise<void>;
  readonly free: () => Promise<void>;
}

async function smallDisk(): Promise<Disk> {
  const folder = mkdtempSync(join(tmpdir(), "millrace-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK},mode=755`, "tmpfs", folder]);
  const ballast = join(folder, "ballast");
  return {
    folder,
    fill: () => fill(ballast),
    free: () => rm(ballast, { force: true }),
    [Symbol.asyncDispose]: async () => {
      execFileSync("umount", [folder]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Makes every new database of a server stand on a disk. */
async function moveOnto({ folder }: Disk, serverUrl: string): Promise<void> {
  const place = join(folder, "tables");
  const [row] = await inServer<{ data_directory: string }>(serverUrl, "show data_directory");
  const { uid, gid } = await stat(row?.data_directory ?? "");
  await mkdir(place);
  await chown(place, uid, gid);
  await chmod(folder, 0o755);
  await inServer(serverUrl, `create tablespace small location '${place}'`);
  // Databases are copied from there, and stand where it stands.
  await inServer(serverUrl, "alter database template1 set tablespace small");
}

/** Writes until there is no room left, in smaller and smaller pieces. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (const bytes of [1_048_576, 4_096]) while (await takes(file, bytes));
  } finally {
    await file.close();
  }
}

async function takes(file: FileHandle, bytes: number): Promise<boolean> {
  try {
    const { bytesWritten } = await file.write(Buffer.alloc(bytes, 1));
    return bytesWritten === bytes;
  } catch {
    return false;
  }
}

async function inServer<Row extends pg.QueryResultRow>(
  serverUrl: string,
  text: string,
): Promise<readonly Row[]> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

/** Tries it. */
function cannotMount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "millrace-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { stdio: "ignore" });
    execFileSync("umount", [folder], { stdio: "ignore" });
    return undefined;
  } catch {
    return "this machine lets nobody mount a small disk (it takes root, and the right to mount)";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
