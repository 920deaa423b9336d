import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Of this run alone: another may compile other sources meanwhile. Inside the root, to find its modules. */
const OUT_DIR: string = fileURLToPath(new URL(`../../temp/chaos-${process.pid}`, import.meta.url));

/** The path of a program of `chaos/children`, once `buildPrograms` has made it. */
export function programOf(name: string): string {
  return `${OUT_DIR}/chaos/children/${name}.js`;
}

/**
 * Compiles the programs of the children, once a run. From TypeScript each would take a second of
 * processor time to start, and the board starts hundreds.
 */
export async function buildPrograms(): Promise<void> {
  process.once("exit", () => rmSync(OUT_DIR, { recursive: true, force: true }));
  const compiler = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
  const options = ["-p", "chaos/tsconfig.build.json", "--outDir", OUT_DIR];
  await promisify(execFile)(process.execPath, [compiler, ...options], { cwd: ROOT });
}
