import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { LEDGER_SQL } from "./ledger-sql.ts";
import { nowMs } from "./wait.ts";
import type { Deed } from "./work.ts";

/**
 * What happened, told by three witnesses: the handlers, in a file; the app's transactions, in
 * `chaos.effects`; and triggers on the library's tables, in `chaos.history`.
 *
 * Handlers write to a file because that is an outside effect which no fault of the board reaches: a
 * line is there once `write` has returned, also when the process is killed at the next instant, and
 * it is written while the database is away. For the verdict it is read into `chaos.runs`,
 * `chaos.told` and `chaos.answers`, and SQL computes the rest.
 */
export interface Ledger {
  /** Where the handlers of all processes write. */
  readonly file: string;
  /** Keeps that a job was enqueued durably, just now, and what it does. */
  readonly enqueued: (id: string, deed: Deed) => void;
  /** Keeps that something was done to a worker, now. */
  readonly fault: (what: string, worker: string) => void;
  /** Reads what is new in the file into the tables. */
  readonly read: () => Promise<void>;
  /** Removes the file. */
  readonly remove: () => void;
}

/** What Postgres answered to a write of a worker. */
export interface Answer {
  /** `uncounted`: an outcome after which the attempt does not count, as a release. */
  readonly what: "settle" | "uncounted" | "progress" | "complete";
  readonly id: string;
  readonly token: string;
  readonly accepted: boolean;
}

/** Notes of a worker's process, each one line. */
export interface Notes {
  /** A handler was called. */
  readonly run: (job: { id: string; token: number; attempt: number }) => void;
  /** Its work was done, and it is about to return. */
  readonly done: (job: { id: string; attempt: number }) => void;
  /** Whether no process asked this of the job before: a claim that came to no run is not its first. */
  readonly isFirst: (job: { id: string }) => boolean;
  /** Postgres took a write, or refused it. */
  readonly answered: (answer: Answer) => void;
  /** The worker told that a claim brought jobs. */
  readonly claimed: (count: number) => void;
  /** The worker told how an attempt ended. */
  readonly told: (type: string, job: { id: string; attempt: number }) => void;
}

const CHUNK = 20_000;

/** Installs the tables and triggers of the ledger in a migrated database, and makes its file. */
export async function openLedger(pool: pg.Pool): Promise<Ledger> {
  await pool.query(LEDGER_SQL);
  const folder = mkdtempSync(join(tmpdir(), "millrace-ledger-"));
  const file = join(folder, "notes");
  const note = noteIn(file);
  let done = 0;
  const insert = async (text: string, rows: readonly (readonly string[])[]): Promise<void> => {
    for (let at = 0; at < rows.length; at += CHUNK) {
      const part = rows.slice(at, at + CHUNK);
      const width = part[0]?.length ?? 0;
      await pool.query(
        text,
        Array.from({ length: width }, (_, column) => part.map((row) => row[column])),
      );
    }
  };
  return {
    file,
    enqueued: (id, deed) => note.write(["enqueued", id, deed]),
    fault: (what, worker) => note.write(["fault", what, worker]),
    read: async () => {
      const text = await readFile(file, "utf8");
      const rows = text.slice(done).split("\n").slice(0, -1);
      done = text.length;
      const cells = rows.map((row) => row.split("\t"));
      const of = (type: string): string[][] =>
        cells.filter(([first]) => first === type).map((c) => c.slice(1));
      await insert(
        `insert into chaos.enqueued (job, deed, at) select a, b, to_timestamp(c / 1000)
           from unnest($1::bigint[], $2::text[], $3::float8[]) as u (a, b, c)`,
        of("enqueued"),
      );
      await insert(
        `insert into chaos.runs (job, token, attempt, worker, at)
           select a, b, c, d, to_timestamp(e / 1000)
             from unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::float8[]) as u (a, b, c, d, e)`,
        of("run"),
      );
      await insert(
        `insert into chaos.told (type, job, attempt, worker, at)
           select a, b, c, d, to_timestamp(e / 1000)
             from unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::float8[]) as u (a, b, c, d, e)`,
        of("told"),
      );
      await insert(
        `insert into chaos.answers (what, job, token, accepted, worker, at)
           select a, b, c, d, e, to_timestamp(f / 1000)
             from unnest($1::text[], $2::bigint[], $3::int[], $4::boolean[], $5::text[], $6::float8[])
               as u (a, b, c, d, e, f)`,
        of("answered"),
      );
      await insert(
        `insert into chaos.claims (worker, count, at) select a, b, to_timestamp(c / 1000)
           from unnest($1::text[], $2::int[], $3::float8[]) as u (a, b, c)`,
        of("claimed"),
      );
      await insert(
        `insert into chaos.faults (what, worker, at) select a, b, to_timestamp(c / 1000)
           from unnest($1::text[], $2::text[], $3::float8[]) as u (a, b, c)`,
        of("fault"),
      );
    },
    remove: () => {
      note.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The notes of one worker, by its label. */
export function notesOf(file: string, worker: string): Notes {
  const { write } = noteIn(file);
  return {
    run: ({ id, token, attempt }) => write(["run", id, String(token), String(attempt), worker]),
    done: ({ id, attempt }) => write(["told", "done", id, String(attempt), worker]),
    isFirst: ({ id }) => isNew(`${file}-first-${id}`),
    answered: ({ what, id, token, accepted }) =>
      write(["answered", what, id, token, String(accepted), worker]),
    claimed: (count) => write(["claimed", worker, String(count)]),
    told: (type, { id, attempt }) => write(["told", type, id, String(attempt), worker]),
  };
}

/** Makes an empty file, or answers that it is there. */
function isNew(file: string): boolean {
  try {
    closeSync(openSync(file, "wx"));
    return true;
  } catch {
    return false;
  }
}

/** One `write` a short line, to a file that is opened to append: lines of several processes do not mix. */
function noteIn(file: string): {
  readonly write: (cells: readonly string[]) => void;
  readonly close: () => void;
} {
  const descriptor = openSync(file, "a");
  return {
    write: (cells) => void writeSync(descriptor, `${[...cells, nowMs().toFixed(3)].join("\t")}\n`),
    close: () => closeSync(descriptor),
  };
}
