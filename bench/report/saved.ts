import { closeSync, openSync, readFileSync } from "node:fs";
import type { Report } from "./report.ts";

/**
 * Sees to it that a document can be written before anything is measured for it. What stands there stays; where
 * nothing does, an empty file does then.
 *
 * @throws Error that names the file, and says what is wrong with it.
 */
export function checkWritable(path: string): void {
  try {
    closeSync(openSync(path, "a"));
  } catch (error) {
    throw unfit("--save", "a file that can be written", path, error);
  }
}

/**
 * Reads a document that `--save` or `--json` has written.
 *
 * @throws Error that names the file, and says what is wrong with it.
 */
export function readReport(path: string): Report {
  try {
    const report = JSON.parse(readFileSync(path, "utf8")) as Partial<Report> | null;
    if (!Array.isArray(report?.scenarios)) throw new Error("it has no `scenarios`");
    return report as Report;
  } catch (error) {
    throw unfit("--from", "a report of the bench", path, error);
  }
}

function unfit(option: string, rule: string, path: string, cause: unknown): Error {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Error(`Expected \`${option}\` to name ${rule}, got ${path}: ${reason}`, { cause });
}
