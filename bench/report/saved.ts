import { readFileSync } from "node:fs";
import type { Report } from "./report.ts";

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
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Expected \`--from\` to name a report of the bench, got ${path}: ${reason}`, {
      cause: error,
    });
  }
}
